//! The mark: a small file beside the chat's that says up to where the log was acknowledged.
//!
//! What ends too early is in order by itself: a write-ahead log that was lost, an older copy of
//! the file, a file that was cut. So the end is kept a second time, outside of what SQLite writes.
//! It is written after each commit and before anybody hears of it.
//!
//! It is not synced, which would cost as much as the commit itself. A power cut may therefore
//! leave an older mark, and never a newer one than the log, since the log was synced before the
//! mark was written: an older mark finds less, and there is no false alarm. There are two slots,
//! on sectors of their own, written in turn, so that a slot that is torn leaves the one before.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use chitty_chat::{Position, files};

use super::{checksum, schema};

/// The bytes of a slot that mean something.
const SLOT: usize = 64;
/// From one slot to the next: a sector of any disk.
const STRIDE: u64 = 4096;
/// Of the file.
const LENGTH: usize = 8192;
/// In bytes. An epoch has 32.
const LONGEST_EPOCH: usize = 32;

/// Up to where a log was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Acknowledged {
    pub(super) epoch: String,
    pub(super) position: Position,
    /// The chain there.
    pub(super) chain: u32,
}

/// What the mark beside a chat says about the end of that chat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Marked {
    /// All is there that was acknowledged.
    All,
    /// The mark is older than the chat, as after a power cut. All is there up to this position;
    /// that nothing is missing after it cannot be told.
    UpTo(Position),
    /// There is no mark, or none that can be read: that nothing is missing cannot be told.
    Nothing,
    /// The mark is of another chat, in whose place this one was put.
    Another,
    /// There need not be one: this is a backup, a chat without events, or one of a version that
    /// made no marks.
    #[default]
    Needless,
}

impl Marked {
    /// Of a chat that is not less than its mark says; `restored`: a backup, of this version of the
    /// schema.
    pub(super) fn of(
        marked: Option<&Acknowledged>,
        epoch: &str,
        head: Position,
        (restored, version): (bool, usize),
    ) -> Self {
        if restored || version < schema::WITH_CHECKSUMS || head == Position::ZERO {
            return Self::Needless;
        }
        match marked {
            Some(marked) if marked.epoch != epoch => Self::Another,
            Some(marked) if marked.position < head => Self::UpTo(marked.position),
            Some(_) => Self::All,
            None => Self::Nothing,
        }
    }
}

/// The mark of a log that is open.
#[derive(Debug)]
pub(super) struct MarkFile {
    file: File,
    epoch: String,
    /// Of the slot that is written next: the newer of two has the greater number.
    next: u64,
}

/// Where the mark of a chat's file is.
pub(super) fn mark_file(chat: &Path) -> PathBuf {
    super::beside(chat, "-mark")
}

/// The mark of this chat; `None` if there is none, or neither slot is whole.
pub(super) fn read(chat: &Path) -> io::Result<Option<Acknowledged>> {
    match files::open_to_read(&mark_file(chat)) {
        Ok(file) => Ok(newest(&file)?.map(|(_, acknowledged)| acknowledged)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl MarkFile {
    /// Opens the mark of a chat to write to it; made only if asked, `None` if it is not there.
    pub(super) fn open(chat: &Path, epoch: &str, create: bool) -> io::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(create);
        let file = match files::open_own(&mark_file(chat), &mut options) {
            Ok(file) => file,
            Err(error) if !create && error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // All of it at once, so that to write it needs no room on the disk later.
        let length = file.metadata()?.len();
        if length < LENGTH as u64 {
            let rest = vec![0; LENGTH - usize::try_from(length).unwrap_or(LENGTH)];
            file.write_all_at(&rest, length)?;
        }
        let next = newest(&file)?.map_or(1, |(number, _)| number + 1);
        Ok(Some(Self {
            file,
            epoch: epoch.into(),
            next,
        }))
    }

    /// The log is durable up to here.
    pub(super) fn write(&mut self, position: Position, chain: u32) -> io::Result<()> {
        let slot = encode(self.next, &self.epoch, position, chain);
        self.file.write_all_at(&slot, self.next % 2 * STRIDE)?;
        self.next += 1;
        Ok(())
    }

    /// For another life of the log, which is not to be taken for the one before.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

fn newest(file: &File) -> io::Result<Option<(u64, Acknowledged)>> {
    let mut newest: Option<(u64, Acknowledged)> = None;
    for number in 0..2 {
        let mut slot = [0; SLOT];
        match file.read_exact_at(&mut slot, number * STRIDE) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
            Err(error) => return Err(error),
        }
        if let Some(found) = decode(&slot)
            && newest.as_ref().is_none_or(|(number, _)| *number < found.0)
        {
            newest = Some(found);
        }
    }
    Ok(newest)
}

/// `"mark"`, the CRC-32C of what follows, number, position, chain, the length of the epoch, the
/// epoch; numbers with the lowest byte first.
fn encode(number: u64, epoch: &str, position: Position, chain: u32) -> [u8; SLOT] {
    let epoch = &epoch.as_bytes()[..epoch.len().min(LONGEST_EPOCH)];
    let mut body = Vec::with_capacity(SLOT);
    body.extend_from_slice(&number.to_le_bytes());
    body.extend_from_slice(&position.get().to_le_bytes());
    body.extend_from_slice(&chain.to_le_bytes());
    body.push(epoch.len().to_le_bytes()[0]);
    body.extend_from_slice(epoch);
    body.resize(SLOT - 8, 0);
    let mut slot = [0; SLOT];
    slot[..4].copy_from_slice(b"mark");
    slot[4..8].copy_from_slice(&checksum::fields([&body]).to_le_bytes());
    slot[8..].copy_from_slice(&body);
    slot
}

fn decode(slot: &[u8; SLOT]) -> Option<(u64, Acknowledged)> {
    let body = slot.strip_prefix(b"mark")?;
    let (sum, body) = body.split_first_chunk()?;
    if u32::from_le_bytes(*sum) != checksum::fields([body]) {
        return None;
    }
    let (number, body) = body.split_first_chunk()?;
    let (position, body) = body.split_first_chunk()?;
    let (chain, body) = body.split_first_chunk()?;
    let (length, epoch) = body.split_first()?;
    let epoch = epoch.get(..usize::from(*length))?;
    let acknowledged = Acknowledged {
        epoch: String::from_utf8(epoch.to_vec()).ok()?,
        position: Position::new(u64::from_le_bytes(*position)),
        chain: u32::from_le_bytes(*chain),
    };
    Some((u64::from_le_bytes(*number), acknowledged))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_its_room_on_the_disk_from_the_beginning() {
        let folder = tempfile::tempdir().expect("a folder");
        let chat = folder.path().join("chat.db");
        let length = || std::fs::metadata(mark_file(&chat)).expect("there").len();
        let open = || {
            let mark = MarkFile::open(&chat, "life", true).expect("ours");
            mark.expect("made")
        };
        open().write(Position::new(7), 70).expect("written");
        assert_eq!(length(), LENGTH as u64);
        let marked = read(&chat).expect("readable");
        // One that was cut is made whole, and keeps what it has.
        let file = OpenOptions::new().write(true).open(mark_file(&chat));
        file.expect("ours").set_len(STRIDE + 64).expect("cut");
        open();
        assert_eq!(length(), LENGTH as u64);
        assert_eq!(read(&chat).expect("readable"), marked);
        assert_eq!(marked.expect("whole").position, Position::new(7));
    }

    #[test]
    fn it_goes_on_in_the_older_slot_when_it_is_opened_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let chat = folder.path().join("chat.db");
        for position in 1..=5 {
            let mark = MarkFile::open(&chat, "life", true).expect("ours");
            let mut mark = mark.expect("made");
            mark.write(Position::new(position), 70).expect("written");
            let marked = read(&chat).expect("readable").expect("whole");
            assert_eq!(marked.position.get(), position);
        }
        // The fifth is in the second slot, which is cut off.
        let file = OpenOptions::new().write(true).open(mark_file(&chat));
        file.expect("ours").set_len(STRIDE).expect("cut");
        let marked = read(&chat).expect("readable").expect("whole");
        assert_eq!(marked.position.get(), 4);
    }

    #[test]
    fn what_cannot_be_used_is_not_taken_for_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let chat = folder.path().join("chat.db");
        std::fs::create_dir(mark_file(&chat)).expect("made");
        read(&chat).expect_err("no file");
        for create in [false, true] {
            MarkFile::open(&chat, "life", create).expect_err("no file");
        }
        let elsewhere = folder.path().join("no/such/chat.db");
        MarkFile::open(&elsewhere, "life", true).expect_err("no folder");
        assert!(
            MarkFile::open(&elsewhere, "life", false)
                .expect("none")
                .is_none()
        );
    }

    #[test]
    fn a_torn_slot_leaves_the_one_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let chat = folder.path().join("chat.db");
        assert_eq!(read(&chat).expect("none"), None);
        assert!(
            MarkFile::open(&chat, "life", false)
                .expect("none")
                .is_none()
        );
        let mut mark = MarkFile::open(&chat, "life", true)
            .expect("ours")
            .expect("made");
        assert_eq!(read(&chat).expect("empty"), None);
        for position in 1..=9 {
            let chain = 70 + u32::try_from(position).expect("small");
            mark.write(Position::new(position), chain).expect("written");
        }
        let at = |position: u64| Acknowledged {
            epoch: "life".into(),
            position: Position::new(position),
            chain: 70 + u32::try_from(position).expect("small"),
        };
        assert_eq!(read(&chat).expect("readable"), Some(at(9)));
        let bytes = std::fs::read(mark_file(&chat)).expect("readable");
        for bit in 0..SLOT * 8 {
            let mut torn = bytes.clone();
            // The ninth is in the second slot.
            torn[usize::try_from(STRIDE).expect("small") + bit / 8] ^= 1 << (bit % 8);
            std::fs::write(mark_file(&chat), torn).expect("written");
            assert_eq!(read(&chat).expect("readable"), Some(at(8)), "{bit}");
        }
    }
}
