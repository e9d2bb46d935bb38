use std::{
    sync::{Condvar, Mutex, mpsc},
    thread,
    time::UNIX_EPOCH,
};

use super::*;
use crate::logging::{Line, line::LineOrigin, parse_line, progress::Watcher};

fn clock() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(60)
}

/// What was written, by a writer that hangs on command.
#[derive(Default)]
struct Disk {
    text: Mutex<String>,
    hangs: Mutex<bool>,
    changed: Condvar,
}

impl Disk {
    fn hang(&self, hangs: bool) {
        *self.hangs.lock().unwrap() = hangs;
        self.changed.notify_all();
    }

    fn lines(&self) -> Vec<Line> {
        let text = self.text.lock().unwrap();
        text.lines().map(|line| parse_line(line).unwrap()).collect()
    }
}

struct Writer {
    disk: Arc<Disk>,
    progress: Arc<Progress>,
    lines: u64,
}

impl Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        drop(
            self.disk
                .changed
                .wait_while(self.disk.hangs.lock().unwrap(), |hangs| *hangs)
                .unwrap(),
        );
        self.disk
            .text
            .lock()
            .unwrap()
            .push_str(str::from_utf8(line).unwrap());
        self.lines += 1;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.progress.advance(mem::take(&mut self.lines));
        Ok(())
    }
}

fn queue() -> (LineQueue, Arc<Disk>) {
    let disk = Arc::new(Disk::default());
    let progress = Arc::new(Progress::new(Arc::new(Watcher::default())));
    let writer = Writer {
        disk: Arc::clone(&disk),
        progress: Arc::clone(&progress),
        lines: 0,
    };
    let queue = LineQueue::new(writer, clock, progress).expect("a thread");
    (queue, disk)
}

fn record(number: usize) -> LineRecord {
    LineRecord {
        time: UNIX_EPOCH,
        origin: LineOrigin::default(),
        body: format!("Test put number={number}"),
    }
}

fn send(queue: &mut LineQueue, numbers: std::ops::Range<usize>) {
    for number in numbers {
        queue.send(&record(number), "ada", "3f9a21c0");
    }
}

/// Longer than anything here takes: only a test that fails waits for it.
const LONG: Duration = Duration::from_secs(60);

/// Closes it, though its writer hangs; a close that waits for the writer fails.
fn close_while_it_hangs(queue: LineQueue, disk: &Disk) {
    let (closed, told) = mpsc::channel();
    let closing = thread::spawn(move || {
        queue.close();
        let _ = closed.send(());
    });
    told.recv_timeout(LONG).expect("it does not wait for ever");
    closing.join().unwrap();
    assert_eq!(disk.lines().len(), 0, "the writer hangs still");
    disk.hang(false);
}

#[test]
fn a_writer_that_hangs_costs_whoever_logs_their_patience_once() {
    let (mut queue, disk) = queue();
    disk.hang(true);
    let begun = now();
    send(&mut queue, 0..50_000);
    assert!(begun.elapsed() >= PATIENCE, "they waited");
    assert!(queue.trouble().unwrap().contains("does not answer"));
    let lost = queue.lost();
    assert!(lost > 40_000, "{lost}");
    // Nobody waits once more: 50,000 waits of the shortest kind would take a day.
    assert_eq!((queue.patience, queue.is_stalled()), (Duration::ZERO, true));

    disk.hang(false);
    assert!(queue.progress.wait_for(queue.sent, LONG));
    assert_eq!(queue.trouble(), None);
    send(&mut queue, 50_000..50_001);
    assert!(queue.progress.wait_for(queue.sent, LONG));
    let lines = disk.lines();
    // The hole is told in its place.
    let [.., before, hole, after] = &lines[..] else {
        panic!("{} lines", lines.len());
    };
    let lost: usize = hole.get("dropped").unwrap().parse().unwrap();
    let number = |line: &Line| line.get("number").unwrap().parse::<usize>().unwrap();
    assert_eq!(number(before) + 1 + lost, number(after));
    assert_eq!((hole.who.as_str(), hole.run.as_str()), ("ada", "3f9a21c0"));
}

#[test]
fn lines_that_are_written_bring_patience_back_up_to_what_there_was() {
    let (mut queue, _disk) = queue();
    queue.patience = Duration::ZERO;
    queue.regain(10);
    assert_eq!(queue.patience, 10 * PER_LINE);
    // The same ones do so once.
    queue.regain(10);
    assert_eq!(queue.patience, 10 * PER_LINE);
    queue.regain(1_000_000);
    assert_eq!(queue.patience, PATIENCE);
}

#[test]
fn a_close_waits_for_its_time_at_most_for_a_writer_that_hangs() {
    let (mut queue, disk) = queue();
    disk.hang(true);
    send(&mut queue, 0..10);
    assert!(queue.flush().at_most <= PATIENCE);
    close_while_it_hangs(queue, &disk);
}

#[test]
fn a_close_does_not_wait_anew_for_a_writer_that_has_hung_for_long() {
    let (mut queue, disk) = queue();
    disk.hang(true);
    send(&mut queue, 0..10);
    assert!(!queue.flush().wait());
    assert_eq!(queue.flush().at_most, LAST_CHANCE);
    close_while_it_hangs(queue, &disk);
}

#[test]
fn a_slow_writer_loses_nothing() {
    let (mut queue, disk) = queue();
    // However slow this machine is at the moment.
    (queue.most_patience, queue.patience) = (LONG, LONG);
    let (stop, stopped) = mpsc::channel::<()>();
    // It stands still for half of the time, again and again.
    let slow = Arc::clone(&disk);
    let slowing = thread::spawn(move || {
        let mut hangs = false;
        let pause = Duration::from_millis(20);
        while stopped.recv_timeout(pause) == Err(mpsc::RecvTimeoutError::Timeout) {
            hangs = !hangs;
            slow.hang(hangs);
        }
        slow.hang(false);
    });
    let count = 60_000;
    send(&mut queue, 0..count);
    drop(stop);
    slowing.join().unwrap();
    assert!(queue.progress.wait_for(queue.sent, LONG));
    queue.close();
    let lines = disk.lines();
    assert_eq!(lines.len(), count);
    assert!(
        lines
            .iter()
            .enumerate()
            .all(|(number, line)| { line.get("number") == Some(number.to_string().as_str()) })
    );
}
