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
