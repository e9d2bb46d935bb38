use std::{cell::Cell, os::unix::fs::PermissionsExt as _, time::UNIX_EPOCH};

use tempfile::TempDir;

use super::*;

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(0) };
}

fn clock() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(NOW.get())
}

fn wait() {
    NOW.set(NOW.get() + 1000);
}

struct Bed {
    folder: TempDir,
    progress: Arc<Progress>,
}

impl Bed {
    fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            progress: Arc::default(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("deep/er/ada.log")
    }

    fn open(&self, max_bytes: u64) -> RotatingFile {
        let rotation = Rotation { max_bytes, keep: 3 };
        let progress = Arc::clone(&self.progress);
        RotatingFile::open(&self.path(), rotation, clock, progress).unwrap()
    }

    fn read(&self, suffix: &str) -> String {
        fs::read_to_string(format!("{}{suffix}", self.path().display())).unwrap_or_default()
    }
}

fn put(file: &mut RotatingFile, line: &str) {
    file.write_all(line.as_bytes()).unwrap();
    file.flush().unwrap();
}

#[test]
fn only_the_owner_can_read_what_is_made() {
    let bed = Bed::new();
    put(&mut bed.open(100), "one\n");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&bed.path()), 0o600);
    assert_eq!(mode(bed.path().parent().unwrap()), 0o700);
    assert_eq!(bed.read(""), "one\n");
}

#[test]
fn appends_and_ends_a_torn_line() {
    let bed = Bed::new();
    put(&mut bed.open(100), "one\ntor");
    put(&mut bed.open(100), "two\n");
    put(&mut bed.open(100), "three\n");
    assert_eq!(bed.read(""), "one\ntor\ntwo\nthree\n");
}

#[test]
fn rotates_between_lines_and_keeps_so_many() {
    let bed = Bed::new();
    let mut file = bed.open(10);
    for number in 1..=9 {
        put(&mut file, &format!("line{number}\n"));
    }
    assert_eq!(bed.read(""), "line9\n");
    assert_eq!(bed.read(".1"), "line8\n");
    assert_eq!(bed.read(".3"), "line6\n");
    assert!(!bed.path().with_extension("log.4").exists());
    put(&mut file, "longer than a whole file\n");
    put(&mut file, "x\n");
    assert_eq!(bed.read(".1"), "longer than a whole file\n");
    assert_eq!(bed.read(""), "x\n");
    assert_eq!(bed.progress.failure(), None);
}

#[test]
fn rotation_counts_what_is_still_in_the_buffer() {
    let bed = Bed::new();
    let mut file = bed.open(12);
    for number in 1..=5 {
        file.write_all(format!("line{number}\n").as_bytes())
            .unwrap();
    }
    file.flush().unwrap();
    assert_eq!(bed.read(".2"), "line1\nline2\n");
    assert_eq!(bed.read(".1"), "line3\nline4\n");
    assert_eq!(bed.read(""), "line5\n");
}

#[test]
fn a_deleted_file_comes_back() {
    let bed = Bed::new();
    let mut file = bed.open(1000);
    put(&mut file, "one\n");
    fs::remove_dir_all(bed.path().parent().unwrap()).unwrap();
    wait();
    put(&mut file, "two\n");
    assert_eq!(bed.read(""), "two\n");
    fs::remove_file(bed.path()).unwrap();
    for _ in 0..CHECK_EVERY_LINES {
        file.write_all(b"x\n").unwrap();
    }
    put(&mut file, "three\n");
    assert!(bed.read("").ends_with("three\n"));
}

#[test]
fn two_processes_share_a_file_through_rotation() {
    let bed = Bed::new();
    let (mut one, mut two) = (bed.open(12), bed.open(12));
    for _ in 0..2 {
        put(&mut one, "one..\n");
    }
    put(&mut one, "one!!\n");
    wait();
    put(&mut two, "two..\n");
    assert_eq!(bed.read(".1"), "one..\none..\n");
    assert_eq!(bed.read(""), "one!!\ntwo..\n");
    // One has not noticed two's line, but two rotates and one follows instead of rotating.
    put(&mut two, "two!!\n");
    put(&mut one, "last.\n");
    put(&mut one, "last!\n");
    wait();
    put(&mut one, "end..\n");
    let all = [".3", ".2", ".1", ""]
        .map(|suffix| bed.read(suffix))
        .concat();
    assert_eq!(all.lines().count(), 8, "{all}");
}

#[test]
fn a_failure_is_kept_once_and_lines_are_written_when_it_is_over() {
    let bed = Bed::new();
    let mut file = bed.open(1000);
    put(&mut file, "one\n");
    fs::remove_file(bed.path()).unwrap();
    fs::create_dir(bed.path()).unwrap();
    wait();
    put(&mut file, "two\n");
    let failure = bed.progress.failure();
    assert!(failure.is_some());
    fs::remove_dir(bed.path()).unwrap();
    wait();
    put(&mut file, "three\n");
    assert_eq!(bed.read(""), "two\nthree\n");
    assert_eq!(bed.progress.failure(), failure);
}

#[test]
fn what_is_kept_during_a_failure_is_bounded() {
    let bed = Bed::new();
    let mut file = bed.open(u64::MAX);
    file.file = File::open(bed.path()).unwrap();
    let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
    for _ in 0..5000 {
        file.write_all(&line).unwrap();
    }
    file.flush().unwrap();
    assert_eq!(file.buffer.len(), MAX_UNWRITTEN);
    assert_eq!(bed.progress.done(), 5000);
    assert!(bed.progress.failure().is_some());
}

/// The file refuses all writes, as on a full disk, until it is given back.
fn fill_up(file: &mut RotatingFile, bed: &Bed) -> File {
    std::mem::replace(&mut file.file, File::open(bed.path()).unwrap())
}

#[test]
fn lines_that_there_was_no_room_for_are_told_in_their_place() {
    let bed = Bed::new();
    let mut file = bed.open(u64::MAX);
    let line = |number| {
        let text = "x".repeat(900);
        format!("1970-01-01T00:00:00.{number:06}Z ada run=a1 log info number={number} {text}\n")
    };
    put(&mut file, &line(0));
    let good = fill_up(&mut file, &bed);
    for number in 1..5000 {
        file.write_all(line(number).as_bytes()).unwrap();
    }
    file.flush().unwrap();
    let failure = bed.progress.trouble().expect("it fails");
    assert!(failure.contains("os error"), "{failure}");
    // It works again, and that is told though no line comes.
    file.file = good;
    file.flush().unwrap();
    assert_eq!(bed.progress.trouble(), None);
    put(&mut file, &line(5000));
    let text = bed.read("");
    let lines: Vec<_> = text.lines().collect();
    let [.., before, hole, after] = lines[..] else {
        panic!("{} lines", lines.len());
    };
    let kept = lines.len() - 3;
    assert!(before.contains(&format!("number={kept} ")), "{before}");
    assert!(after.contains("number=5000 "), "{after}");
    let dropped = 4999 - kept;
    assert_eq!(bed.progress.lost(), dropped as u64);
    let told = format!(
        " ada run=a1 log warn target=chitty_chat::logging message=\"{MISSING}\" \
         dropped={dropped} first=1970-01-01T00:00:00.{:06}Z last=1970-01-01T00:00:00.004999Z",
        kept + 1
    );
    assert!(hole.ends_with(&told), "{hole}");
}

#[test]
fn a_disk_that_refuses_is_not_asked_with_every_line() {
    let bed = Bed::new();
    let mut file = bed.open(100);
    put(&mut file, "one\n");
    fill_up(&mut file, &bed);
    let mut tries = 0;
    for _ in 0..10 * TRY_EVERY_LINES {
        let before = file.lines_since_try;
        file.write_all(b"line\n").unwrap();
        tries += u64::from(file.lines_since_try <= before);
    }
    assert!((5..=12).contains(&tries), "{tries}");
}

#[test]
fn a_line_of_which_a_part_was_written_is_whole_in_the_next_file() {
    let bed = Bed::new();
    let mut file = bed.open(u64::MAX);
    put(&mut file, "one\n");
    // As a full disk leaves it.
    (&file.file).write_all(b"two ").unwrap();
    file.torn = b"two ".to_vec();
    file.buffer = b"and the rest\n".to_vec();
    fs::rename(bed.path(), bed.path().with_extension("old")).unwrap();
    wait();
    put(&mut file, "three\n");
    assert_eq!(bed.read(""), "two and the rest\nthree\n");
}

#[test]
fn what_is_torn_is_the_last_line_only() {
    let bed = Bed::new();
    let mut file = bed.open(u64::MAX);
    for (written, torn) in [
        ("one\ntw", "tw"),
        ("o", "two"),
        ("\nth", "th"),
        ("ree\n", ""),
    ] {
        file.buffer = written.into();
        file.write_buffer().unwrap();
        assert_eq!(file.torn, torn.as_bytes());
    }
}

#[test]
fn no_file_is_written_through_a_link_or_a_second_name() {
    for plant in [
        |victim: &Path, path: &Path| std::os::unix::fs::symlink(victim, path),
        |victim: &Path, path: &Path| fs::hard_link(victim, path),
    ] {
        let bed = Bed::new();
        let victim = bed.folder.path().join("victim");
        fs::write(&victim, "before\n").unwrap();
        fs::create_dir_all(bed.path().parent().unwrap()).unwrap();
        plant(&victim, &bed.path()).unwrap();
        let open = |bed: &Bed| {
            let progress = Arc::clone(&bed.progress);
            RotatingFile::open(&bed.path(), Rotation::default(), clock, progress)
        };
        assert!(open(&bed).is_err());
        // Nor when it is put there later.
        fs::remove_file(bed.path()).unwrap();
        let mut file = open(&bed).unwrap();
        put(&mut file, "one\n");
        fs::remove_file(bed.path()).unwrap();
        plant(&victim, &bed.path()).unwrap();
        wait();
        put(&mut file, "two\n");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "before\n");
        assert!(bed.progress.trouble().is_some());
        // Nothing is lost meanwhile.
        fs::remove_file(bed.path()).unwrap();
        wait();
        put(&mut file, "three\n");
        assert_eq!(bed.read(""), "two\nthree\n");
        assert_eq!(bed.progress.trouble(), None);
    }
}

#[test]
fn a_folder_that_others_can_write_to_is_refused() {
    let bed = Bed::new();
    let folder = bed.folder.path().join("deep/er");
    fs::create_dir_all(&folder).unwrap();
    for (mode, ok) in [
        (0o777, false),
        (0o770, false),
        (0o1777, true),
        (0o755, true),
    ] {
        fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
        let progress = Arc::clone(&bed.progress);
        let opened = RotatingFile::open(&bed.path(), Rotation::default(), clock, progress);
        assert_eq!(opened.is_ok(), ok, "{mode:o}");
    }
}

#[test]
fn a_folder_in_whose_place_there_is_a_link_of_somebody_elses_gets_nothing() {
    let bed = Bed::new();
    let mut file = bed.open(1000);
    put(&mut file, "one\n");
    let folder = bed.path().parent().unwrap().to_owned();
    let elsewhere = bed.folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::rename(&folder, folder.with_extension("aside")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &folder).unwrap();
    if std::os::unix::fs::lchown(&folder, Some(65534), None).is_err() {
        eprintln!("not tried: only root can give a link away");
        return;
    }
    wait();
    put(&mut file, "two\n");
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    let trouble = bed.progress.trouble().unwrap();
    assert!(trouble.contains("its folder: it belongs to"), "{trouble}");
}

#[test]
fn rotation_neither_follows_nor_replaces_what_is_not_ours() {
    let bed = Bed::new();
    let line = |number| format!("1970-01-01T00:00:00.{number:06}Z a run=b c d n={number:02}\n");
    let lines = |numbers: std::ops::RangeInclusive<u32>| numbers.map(line).collect::<String>();
    // Each line fills a file.
    let mut file = bed.open(50);
    let victim = bed.folder.path().join("victim");
    fs::write(&victim, "before\n").unwrap();
    let second = bed.path().with_extension("log.2");
    std::os::unix::fs::symlink(&victim, &second).unwrap();
    for number in 1..=3 {
        put(&mut file, &line(number));
    }
    assert_eq!(bed.read(""), lines(1..=3));
    assert!(second.is_symlink());
    assert_eq!(fs::read_to_string(&victim).unwrap(), "before\n");
    let trouble = bed.progress.trouble().unwrap();
    assert!(
        trouble.contains("log.2: it is a symbolic link"),
        "{trouble}"
    );
    // It goes on growing, but not beyond what all files together may have.
    for number in 4..=9 {
        put(&mut file, &line(number));
    }
    assert_eq!(bed.read(""), lines(1..=4));
    fs::remove_file(&second).unwrap();
    wait();
    put(&mut file, &line(10));
    put(&mut file, &line(11));
    assert_eq!(bed.progress.trouble(), None);
    let all = [".3", ".2", ".1", ""]
        .map(|suffix| bed.read(suffix))
        .concat();
    let rest = all.strip_prefix(&lines(1..=4)).expect("they are there");
    assert!(rest.contains(" dropped=6 "), "{rest}");
    assert!(rest.ends_with(&line(11)), "{rest}");
    assert_eq!(bed.progress.lost(), 6);
}
