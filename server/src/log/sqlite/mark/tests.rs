//! What the mark keeps, and what it survives.

use super::*;

const LOBBY: ChatNumber = ChatNumber::LOBBY;

/// The mark of the lobby, opened for writing.
fn open(chat: &Path, create: bool) -> io::Result<Option<MarkFile>> {
    let mut mark = MarkFile::open(chat, create)?;
    if let Some(mark) = &mut mark {
        mark.add(LOBBY, "life".into())?;
    }
    Ok(mark)
}

/// What is marked for the lobby.
fn read(chat: &Path) -> io::Result<Option<Acknowledged>> {
    super::read(chat).map(|marks| marks.lobby().cloned())
}

#[test]
fn it_has_its_room_on_the_disk_from_the_beginning() {
    let folder = tempfile::tempdir().expect("a folder");
    let chat = folder.path().join("chat.db");
    let length = || std::fs::metadata(mark_file(&chat)).expect("there").len();
    let made = || open(&chat, true).expect("ours").expect("made");
    made().write(LOBBY, Position::new(7), 70).expect("written");
    assert_eq!(length(), LENGTH as u64);
    let marked = read(&chat).expect("readable");
    // One that was cut is made whole, and keeps what it has.
    let file = OpenOptions::new().write(true).open(mark_file(&chat));
    file.expect("ours").set_len(STRIDE + 64).expect("cut");
    made();
    assert_eq!(length(), LENGTH as u64);
    assert_eq!(read(&chat).expect("readable"), marked);
    assert_eq!(marked.expect("whole").position, Position::new(7));
}

#[test]
fn it_goes_on_in_the_older_slot_when_it_is_opened_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let chat = folder.path().join("chat.db");
    for position in 1..=5 {
        let mark = open(&chat, true).expect("ours");
        let mut mark = mark.expect("made");
        mark.write(LOBBY, Position::new(position), 70)
            .expect("written");
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
        open(&chat, create).expect_err("no file");
    }
    let elsewhere = folder.path().join("no/such/chat.db");
    open(&elsewhere, true).expect_err("no folder");
    assert!(open(&elsewhere, false).expect("none").is_none());
}

#[test]
fn a_torn_slot_leaves_the_one_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let chat = folder.path().join("chat.db");
    assert_eq!(read(&chat).expect("none"), None);
    assert!(open(&chat, false).expect("none").is_none());
    let mut mark = open(&chat, true).expect("ours").expect("made");
    assert_eq!(read(&chat).expect("empty"), None);
    for position in 1..=9 {
        let chain = 70 + u32::try_from(position).expect("small");
        mark.write(LOBBY, Position::new(position), chain)
            .expect("written");
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

#[test]
fn each_chat_has_slots_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let chat = folder.path().join("chat.db");
    let numbers: Vec<_> = (0..3).filter_map(ChatNumber::from_column).collect();
    let at = |number: &ChatNumber, position: u64| Acknowledged {
        epoch: format!("life {}", number.get()),
        position: position.into(),
        chain: number.get(),
    };
    let mut mark = MarkFile::open(&chat, true).expect("ours").expect("made");
    for number in &numbers {
        let epoch = at(number, 0).epoch;
        mark.add(*number, epoch.into()).expect("there is space");
    }
    for position in 1..=5 {
        for (number, more) in numbers.iter().zip([0, 10, 20]) {
            let position = Position::new(position + more);
            mark.write(*number, position, number.get())
                .expect("written");
        }
    }
    let marks = super::read(&chat).expect("readable");
    let expected = [5, 15, 25];
    for (number, position) in numbers.iter().zip(expected) {
        assert_eq!(marks.of(*number), Some(&at(number, position)));
    }
    assert_eq!(marks.iter().count(), 3);
    // A chat whose slots are damaged is not known; the others are.
    let bytes = std::fs::read(mark_file(&chat)).expect("readable");
    assert_eq!(bytes.len(), 3 * LENGTH);
    let mut damaged = bytes.clone();
    damaged[LENGTH..2 * LENGTH].fill(7);
    std::fs::write(mark_file(&chat), damaged).expect("written");
    let marks = super::read(&chat).expect("readable");
    let known: Vec<_> = numbers.iter().map(|it| marks.of(*it).is_some()).collect();
    assert_eq!(known, [true, false, true]);
    // A mark that was cut off has what comes before.
    std::fs::write(mark_file(&chat), &bytes[..LENGTH + SLOT]).expect("written");
    let marks = super::read(&chat).expect("readable");
    assert_eq!(marks.of(numbers[1]), Some(&at(&numbers[1], 14)));
    assert_eq!(marks.of(numbers[2]), None);
    mark.clear().expect("ours");
    assert_eq!(super::read(&chat).expect("readable"), Marks::default());
    let error = MarkFile::open(&chat, true)
        .expect("ours")
        .expect("made")
        .write(LOBBY, 1.into(), 1)
        .expect_err("not added");
    assert!(error.to_string().contains("no slots"), "{error}");
}
