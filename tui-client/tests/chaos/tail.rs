//! Follows a log file, as `tail -F` does.

use std::{
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
};

use chitty_chat::logging::{Line, parse_line};

pub(crate) struct Tail {
    path: PathBuf,
    file: Option<File>,
    /// The beginning of a line that is not complete.
    rest: Vec<u8>,
}

impl Tail {
    /// Follows what is written from now on.
    pub(crate) fn from_end(path: PathBuf) -> Self {
        let mut file = File::open(&path).ok();
        if let Some(file) = &mut file {
            file.seek(SeekFrom::End(0)).expect("it is a file");
        }
        Self {
            path,
            file,
            rest: Vec::new(),
        }
    }

    /// The lines since the last call; torn ones are skipped.
    pub(crate) fn lines(&mut self) -> Vec<Line> {
        let mut text = std::mem::take(&mut self.rest);
        self.read(&mut text);
        if self.is_renamed() {
            // What was written before that.
            self.read(&mut text);
            self.file = File::open(&self.path).ok();
            self.read(&mut text);
        }
        let complete = text.iter().rposition(|byte| *byte == b'\n');
        let (complete, rest) = text.split_at(complete.map_or(0, |end| end + 1));
        self.rest = rest.to_vec();
        complete
            .split(|byte| *byte == b'\n')
            .filter_map(|line| parse_line(str::from_utf8(line).ok()?))
            .collect()
    }

    fn read(&mut self, text: &mut Vec<u8>) {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        if let Some(file) = &mut self.file {
            file.read_to_end(text).expect("it is readable");
        }
    }

    fn is_renamed(&self) -> bool {
        let number = |file: &File| file.metadata().expect("it is open").ino();
        let (Some(file), Ok(there)) = (&self.file, fs::metadata(&self.path)) else {
            return false;
        };
        number(file) != there.ino()
    }
}
