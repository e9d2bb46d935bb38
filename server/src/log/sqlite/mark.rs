//! The mark: a small file beside the chat's file that records up to which position the log was
//! acknowledged.
//!
//! A log whose end is missing looks intact by itself: its write-ahead log was lost, or the file is
//! an older copy, or it was cut off. So the end is recorded a second time, outside of what SQLite
//! writes. The mark is written after each commit, before the commit is acknowledged.
//!
//! It is not synced, which would cost as much as the commit itself. A power cut may therefore leave
//! a mark that is older than the log, but never a newer one, because the log was synced before the
//! mark was written. An older mark detects less, and there are no false alarms. There are two slots
//! on sectors of their own, which are written in turn, so that a torn slot leaves the one before.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use chitty_chat::{Position, files};

use super::{checksum, schema};

/// The used bytes of a slot.
const SLOT: usize = 64;
/// Bytes from one slot to the next: a sector of any disk.
const STRIDE: u64 = 4096;
/// The length of the file in bytes.
const LENGTH: usize = 8192;
/// The longest epoch in bytes. Every epoch has 32.
const LONGEST_EPOCH: usize = 32;

/// The end of a log as it was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Acknowledged {
    pub(super) epoch: String,
    pub(super) position: Position,
    /// The checksum chain at that position.
    pub(super) chain: u32,
}

/// What the mark beside a chat shows about the chat's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Marked {
    /// Everything that was acknowledged is there.
    All,
    /// The mark is older than the chat, as after a power cut. Everything up to this position is
    /// there; whether something is missing after it is not known.
    UpTo(Position),
    /// There is no mark, or it cannot be read: whether something is missing is not known.
    Nothing,
    /// The mark belongs to another chat, which this one has replaced.
    Another,
    /// No mark is needed: this is a backup, a chat without events, or one of a version that made no
    /// marks.
    #[default]
    Needless,
}

impl Marked {
    /// The comparison of a chat with its mark, once it is known that the chat does not end too
    /// early. The last argument says whether it is a backup, and gives the version of its schema.
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
    /// The number of the slot that is written next. The newer of two slots has the greater number.
    next: u64,
}

/// The path of the mark beside a chat's file.
pub(super) fn mark_file(chat: &Path) -> PathBuf {
    super::beside(chat, "-mark")
}

/// Reads the mark of a chat; `None` if there is none, or neither slot is whole.
pub(super) fn read(chat: &Path) -> io::Result<Option<Acknowledged>> {
    match files::open_to_read(&mark_file(chat)) {
        Ok(file) => Ok(newest(&file)?.map(|(_, acknowledged)| acknowledged)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl MarkFile {
    /// Opens the mark of a chat for writing. It is created only if `create` says so; `None` if it
    /// is not there.
    pub(super) fn open(chat: &Path, epoch: &str, create: bool) -> io::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(create);
        let file = match files::open_own(&mark_file(chat), &mut options) {
            Ok(file) => file,
            Err(error) if !create && error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // Allocated at once, so that writing a slot needs no free space on the disk later.
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

    /// Records that the log is durable up to this position.
    pub(super) fn write(&mut self, position: Position, chain: u32) -> io::Result<()> {
        let slot = encode(self.next, &self.epoch, position, chain);
        // In turn: the slot with the last good mark is not the one that is overwritten.
        self.file.write_all_at(&slot, self.next % 2 * STRIDE)?;
        self.next += 1;
        Ok(())
    }

    /// Syncs the mark, for when the log begins another life, which must not be mistaken for the one
    /// before.
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

/// Encodes a slot: `"mark"`, the CRC-32C of what follows, the slot's number, position, chain, the
/// length of the epoch, the epoch. Numbers are little-endian.
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
