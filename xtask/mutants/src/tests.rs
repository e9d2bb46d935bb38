//! The tests: which of them reach a mutant, and whether one of those notices it.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, File},
    io,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use color_eyre::eyre::{Result, WrapErr as _, ensure};
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::{
    compile::{Compiled, Program},
    list::Mutant,
    report::Fate,
};

/// Other programs share the machine, so a run may last for so much longer than the first one did.
const SLACK: u32 = 10;

/// A run may last for so long in any case.
const AT_LEAST: Duration = Duration::from_secs(20);

/// A mutant may ask for memory without end: so many KiB of address space.
const MEMORY: &str = "8000000";

/// The sums of how long tests last that are run at once, one sum after the other: most mutants are
/// noticed by quick tests.
const ROUNDS: [Duration; 4] = [
    Duration::from_millis(300),
    Duration::from_secs(2),
    Duration::from_secs(8),
    Duration::MAX,
];

/// A test.
pub(crate) struct Test {
    program: Program,
    name: String,
    took: Duration,
}

/// The tests of a package.
pub(crate) struct Tests {
    all: Vec<Test>,
    /// By a mutant's number, the tests that reach it, the quickest first.
    reached: BTreeMap<usize, Vec<usize>>,
}

enum Outcome {
    Passed,
    Failed(String),
    TimedOut,
}

impl Tests {
    /// Runs each test by itself, without any mutant, to see what it reaches and how long it takes.
    pub(crate) fn survey(mutants: &[Mutant], compiled: &Compiled) -> Result<Self> {
        let mut tests = Self {
            all: Vec::new(),
            reached: BTreeMap::new(),
        };
        for program in &compiled.programs {
            for name in names(program)? {
                if mutants
                    .iter()
                    .any(|mutant| mutant.has_test(&path(&program.path, &name)))
                {
                    tests.look_at(program, name, mutants)?;
                }
            }
        }
        for reaching in tests.reached.values_mut() {
            reaching.sort_by_key(|test| tests.all[*test].took);
        }
        Ok(tests)
    }

    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    fn look_at(&mut self, program: &Program, name: String, mutants: &[Mutant]) -> Result<()> {
        let path = path(&program.path, &name);
        let scratch = in_memory()?;
        let reached = scratch.path().join("reached");
        // For a test that comes to none.
        File::create(&reached)?;
        let started = now();
        let outcome = run(
            program,
            &[&name],
            ("CHITTY_MUTANTS_REACHED", reached.as_os_str()),
            Duration::from_secs(300),
        )?;
        let took = started.elapsed();
        ensure!(
            matches!(outcome, Outcome::Passed),
            "{name} fails without any mutant"
        );
        for number in fs::read_to_string(&reached)?.lines() {
            let number: usize = number.parse()?;
            if mutants.get(number).is_some_and(|it| it.has_test(&path)) {
                let reaching = self.reached.entry(number).or_default();
                reaching.push(self.all.len());
            }
        }
        self.all.push(Test {
            program: program.clone(),
            name,
            took,
        });
        Ok(())
    }

    /// Runs the tests that reach a mutant, with it, until one fails.
    fn judge(&self, mutant: usize) -> Result<Fate> {
        let Some(mut rest) = self.reached.get(&mutant).map(Vec::as_slice) else {
            return Ok(Fate::Unreached);
        };
        for limit in ROUNDS {
            let mut sum = Duration::ZERO;
            let fits = |test: &&usize| {
                sum += self.all[**test].took;
                sum <= limit
            };
            let count = rest.iter().take_while(fits_first(fits)).count();
            let (round, later) = rest.split_at(count);
            rest = later;
            match self.run_all(round, mutant)? {
                Outcome::Passed => {}
                Outcome::Failed(test) => return Ok(Fate::Caught(test)),
                Outcome::TimedOut => return Ok(Fate::TimedOut),
            }
        }
        Ok(Fate::Survived)
    }

    /// Judges all of these, so many at a time, and tells of each.
    pub(crate) fn judge_all(
        &self,
        mutants: &[usize],
        jobs: usize,
        mut tell: impl FnMut(usize, Fate) -> Result<()>,
    ) -> Result<()> {
        let queue = Mutex::new(mutants.iter());
        let (sender, fates) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..jobs {
                let (queue, sender) = (&queue, sender.clone());
                scope.spawn(move || {
                    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                    while let Some(mutant) = next() {
                        // Nobody listens any more after a failure.
                        if sender.send((*mutant, self.judge(*mutant))).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            for (mutant, fate) in fates {
                tell(mutant, fate?)?;
            }
            Ok(())
        })
    }

    fn run_all(&self, round: &[usize], mutant: usize) -> Result<Outcome> {
        let mut by_program: BTreeMap<&Program, Vec<&Test>> = BTreeMap::new();
        for test in round {
            let test = &self.all[*test];
            by_program.entry(&test.program).or_default().push(test);
        }
        let number = mutant.to_string();
        for (program, tests) in by_program {
            let names: Vec<_> = tests.iter().map(|test| test.name.as_str()).collect();
            let took: Duration = tests.iter().map(|test| test.took).sum();
            let limit = AT_LEAST + took * SLACK;
            let variable = ("CHITTY_MUTANT", OsStr::new(&number));
            let outcome = run(program, &names, variable, limit)?;
            if !matches!(outcome, Outcome::Passed) {
                return Ok(outcome);
            }
        }
        Ok(Outcome::Passed)
    }
}

/// The names of a program's tests.
fn names(program: &Program) -> Result<Vec<String>> {
    let output = Command::new(&program.path)
        .current_dir(&program.folder)
        .args(["--list", "--format=terse"])
        .output()
        .wrap_err_with(|| format!("{} cannot be run", program.path.display()))?;
    let listed = String::from_utf8_lossy(&output.stdout);
    let names = listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"));
    Ok(names.map(str::to_owned).collect())
}

/// Runs these tests of a program, all with the same mutant or none.
fn run(
    program: &Program,
    names: &[&str],
    variable: (&str, &OsStr),
    limit: Duration,
) -> Result<Outcome> {
    let temporary = in_memory()?;
    let output = temporary.path().join("output");
    let mut child = Command::new("sh")
        .args(["-c", r#"ulimit -v "$0"; exec "$@""#, MEMORY])
        .arg(&program.path)
        .arg("--exact")
        .args(names)
        .current_dir(&program.folder)
        .env(variable.0, variable.1)
        .env("TMPDIR", temporary.path())
        .env("INSTA_UPDATE", "no")
        .stdin(Stdio::null())
        .stdout(File::create(&output)?)
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .wrap_err_with(|| format!("{} cannot be run", program.path.display()))?;
    let ended = wait(&mut child, limit)?;
    // Also what it started and left.
    if let Some(group) = Pid::from_raw(child.id().cast_signed()) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let Some(success) = ended else {
        child.wait()?;
        return Ok(Outcome::TimedOut);
    };
    if success {
        return Ok(Outcome::Passed);
    }
    let output = fs::read(&output)?;
    Ok(Outcome::Failed(failed_test(&String::from_utf8_lossy(
        &output,
    ))))
}

/// A test's name, beginning with its program's: `rpc::joining::…`.
fn path(program: &Path, name: &str) -> String {
    let stem = program.file_name().unwrap_or_default().to_string_lossy();
    let program = stem.rsplit_once('-').map_or(&*stem, |(program, _)| program);
    format!("{program}::{name}")
}

/// A folder in memory where there is one: tests that sync their files are not measured by the disk.
fn in_memory() -> io::Result<TempDir> {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new())
}

/// The first one always fits.
fn fits_first(mut fits: impl FnMut(&&usize) -> bool) -> impl FnMut(&&usize) -> bool {
    let mut is_first = true;
    move |test| fits(test) | std::mem::take(&mut is_first)
}

/// Whether it succeeded; `None` if it has not ended in time.
fn wait(child: &mut Child, limit: Duration) -> Result<Option<bool>> {
    let started = now();
    let mut pause = Duration::from_millis(1);
    while started.elapsed() < limit {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status.success()));
        }
        rest(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
    Ok(None)
}

#[expect(clippy::disallowed_methods, reason = "real programs are waited for")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "real programs are waited for")]
fn rest(pause: Duration) {
    thread::sleep(pause);
}

fn failed_test(output: &str) -> String {
    let failed = output
        .lines()
        .find_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"));
    failed.unwrap_or("the whole run").to_owned()
}
