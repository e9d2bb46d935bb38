//! The mark: a small file beside the chats' file that records up to which position the log of each
//! chat was acknowledged.
//!
//! A log whose end is missing looks intact by itself: its write-ahead log was lost, or the file is
//! an older copy, or it was cut off. So the end is recorded a second time, outside of what SQLite
//! writes. The mark is written after each commit, before the commit is acknowledged.
//!
//! It is not synced, which would cost as much as the commit itself. A power cut may therefore leave
//! a mark that is older than the log, but never a newer one, because the log was synced before the
//! mark was written. An older mark detects less, and there are no false alarms. There are two slots
//! on sectors of their own, which are written in turn, so that a torn slot leaves the one before.
//! Each chat has two, in the order of the chats' numbers, so that a commit writes one slot for each
//! chat that it changes, and a chat that is missing as a whole is noticed, too.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use chitty_chat::{Position, files};

use super::{checksum, key::ChatNumber, schema};

/// The used bytes of a slot.
const SLOT: usize = 64;
/// Bytes from one slot to the next: a sector of any disk.
const STRIDE: u64 = 4096;
/// The length in bytes of the slots of a chat.
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

/// The ends of all logs of a file as they were acknowledged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks(BTreeMap<ChatNumber, Acknowledged>);

impl Marks {
    pub(super) fn of(&self, chat: ChatNumber) -> Option<&Acknowledged> {
        self.0.get(&chat)
    }

    /// The mark of the lobby, by whose epoch a file is known.
    pub(super) fn lobby(&self) -> Option<&Acknowledged> {
        self.of(ChatNumber::LOBBY)
    }

    /// The last position that was acknowledged, of the lobby if it has any; `None` if no chat has.
    pub(super) fn acknowledged(&self) -> Option<Position> {
        let mut positions = self.0.values().map(|marked| marked.position);
        positions.find(|position| *position > Position::ZERO)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ChatNumber, &Acknowledged)> {
        self.0.iter().map(|(number, marked)| (*number, marked))
    }
}

/// The mark of logs that are open.
#[derive(Debug)]
pub(super) struct MarkFile {
    file: File,
    chats: BTreeMap<ChatNumber, ChatSlots>,
}

/// The slots of a chat.
#[derive(Debug)]
struct ChatSlots {
    epoch: Arc<str>,
    /// The number of the slot that is written next. The newer of two slots has the greater number.
    next: u64,
}

/// The path of the mark beside a chat's file.
pub(super) fn mark_file(chat: &Path) -> PathBuf {
    super::beside(chat, "-mark")
}

/// Reads the mark beside a file. A chat is not in it if neither of its slots is whole.
pub(super) fn read(chat: &Path) -> io::Result<Marks> {
    let file = match files::open_to_read(&mark_file(chat)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Marks::default()),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    let mut marks = BTreeMap::new();
    let mut number = Some(ChatNumber::LOBBY);
    // The last slots may be cut off.
    while let Some(chat) = number.filter(|chat| start(*chat) < length) {
        if let Some((_, acknowledged)) = newest(&file, chat)? {
            marks.insert(chat, acknowledged);
        }
        number = chat.next();
    }
    Ok(Marks(marks))
}

/// Where the slots of a chat begin.
fn start(chat: ChatNumber) -> u64 {
    u64::from(chat.get()) * LENGTH as u64
}

impl MarkFile {
    /// Opens the mark beside a file for writing. It is created only if `create` says so; `None` if it
    /// is not there.
    pub(super) fn open(chat: &Path, create: bool) -> io::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(create);
        let file = match files::open_own(&mark_file(chat), &mut options) {
            Ok(file) => file,
            Err(error) if !create && error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(Self {
            file,
            chats: BTreeMap::new(),
        }))
    }

    /// Removes the marks of all chats: they are of another file.
    pub(super) fn clear(&self) -> io::Result<()> {
        self.file.set_len(0)
    }

    /// Makes space for the slots of a chat, and keeps what they have. The chats before it have to
    /// have theirs.
    pub(super) fn add(&mut self, chat: ChatNumber, epoch: Arc<str>) -> io::Result<()> {
        // Allocated at once, so that writing a slot needs no free space on the disk later.
        let (length, end) = (self.file.metadata()?.len(), start(chat) + LENGTH as u64);
        if length < end {
            let rest = vec![0; usize::try_from(end - length).unwrap_or(LENGTH)];
            self.file.write_all_at(&rest, length)?;
        }
        let next = newest(&self.file, chat)?.map_or(1, |(number, _)| number + 1);
        self.chats.insert(chat, ChatSlots { epoch, next });
        Ok(())
    }

    /// Records that the log of a chat, which was added before, is durable up to this position.
    pub(super) fn write(
        &mut self,
        chat: ChatNumber,
        position: Position,
        chain: u32,
    ) -> io::Result<()> {
        let slots = self.chats.get_mut(&chat);
        let slots = slots.ok_or_else(|| io::Error::other("the chat has no slots in the mark"))?;
        let slot = encode(slots.next, &slots.epoch, position, chain);
        // In turn: the slot with the last good mark is not the one that is overwritten.
        let at = start(chat) + slots.next % 2 * STRIDE;
        self.file.write_all_at(&slot, at)?;
        slots.next += 1;
        Ok(())
    }

    /// Syncs the mark, for when the log begins another life, which must not be mistaken for the one
    /// before.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

/// The newer whole slot of a chat, and its number.
fn newest(file: &File, chat: ChatNumber) -> io::Result<Option<(u64, Acknowledged)>> {
    let mut newest: Option<(u64, Acknowledged)> = None;
    for number in 0..2 {
        let mut slot = [0; SLOT];
        match file.read_exact_at(&mut slot, start(chat) + number * STRIDE) {
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
mod tests;
