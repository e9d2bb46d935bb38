//! What became of the mutants, as lines and as a table.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io::Write as _,
    path::Path,
};

use color_eyre::eyre::{Result, WrapErr as _};

use crate::list::Mutant;

/// The file with a line for each mutant.
const FATES: &str = "fates.txt";

/// How long the word is with which a line begins, in characters.
const WORD: usize = 9;

/// Between a mutant and the test that noticed it.
const BY: &str = "  by ";

/// What became of a mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// A test failed: this one.
    Caught(String),
    /// The tests did not come to an end.
    TimedOut,
    /// It does not compile.
    Unviable,
    /// No test noticed.
    Survived,
    /// No test even comes to it.
    Unreached,
    /// It was not tried.
    LeftOut,
}

/// How many of a part's mutants came to what.
#[derive(Default)]
struct Counts {
    all: usize,
    caught: usize,
    timed_out: usize,
    unviable: usize,
    survived: usize,
    left_out: usize,
}

/// The numbers of those mutants that need not be tried again after the run whose report is in this
/// folder, and what became of them.
pub(crate) fn known(folder: &Path, mutants: &[Mutant]) -> Result<BTreeMap<usize, Fate>> {
    let path = folder.join(FATES);
    let lines =
        fs::read_to_string(&path).wrap_err_with(|| format!("{} cannot be read", path.display()))?;
    let by_name: HashMap<&str, Fate> = lines.lines().filter_map(parse).collect();
    let known = mutants.iter().enumerate().filter_map(|(number, mutant)| {
        let fate = by_name.get(mutant.name.as_str())?;
        Some((number, fate.clone()))
    });
    Ok(known.collect())
}

/// A line of a mutant that need not be tried again.
fn parse(line: &str) -> Option<(&str, Fate)> {
    let (word, rest) = line.split_at_checked(WORD)?;
    let (name, by) = rest
        .trim_start()
        .split_once(BY)
        .unwrap_or((rest.trim_start(), ""));
    let fate = match word.trim_end() {
        "caught" => Fate::Caught(by.to_owned()),
        "timed out" => Fate::TimedOut,
        "unviable" => Fate::Unviable,
        _ => return None,
    };
    Some((name, fate))
}

/// Writes down what becomes of each mutant at once, so that a run that is ended early has said
/// something.
pub(crate) struct Report {
    file: File,
    by_part: BTreeMap<&'static str, Counts>,
}

impl Report {
    /// A report in this folder, in the place of the last one.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let path = folder.join(FATES);
        let file = File::create(&path)
            .wrap_err_with(|| format!("{} cannot be written", path.display()))?;
        println!("what becomes of each is in {}", path.display());
        Ok(Self {
            file,
            by_part: BTreeMap::new(),
        })
    }

    pub(crate) fn add(&mut self, mutant: &Mutant, fate: &Fate) -> Result<()> {
        let counts = self.by_part.entry(mutant.part_name()).or_default();
        counts.all += 1;
        let (count, word, by) = match fate {
            Fate::Caught(test) => (&mut counts.caught, "caught", test.as_str()),
            Fate::TimedOut => (&mut counts.timed_out, "timed out", ""),
            Fate::Unviable => (&mut counts.unviable, "unviable", ""),
            Fate::Survived => (&mut counts.survived, "SURVIVED", ""),
            Fate::Unreached => (&mut counts.survived, "UNREACHED", ""),
            Fate::LeftOut => (&mut counts.left_out, "left out", ""),
        };
        *count += 1;
        let separator = if by.is_empty() { "" } else { BY };
        let line = format!("{word:WORD$}  {}{separator}{by}\n", mutant.name);
        if matches!(fate, Fate::TimedOut | Fate::Survived | Fate::Unreached) {
            print!("{line}");
        }
        self.file.write_all(line.as_bytes())?;
        Ok(())
    }

    /// Prints the table; says whether one survived.
    pub(crate) fn finish(self) -> bool {
        println!("| part | mutants | caught | timed out | unviable | survivors | left out |");
        println!("| --- | --: | --: | --: | --: | --: | --: |");
        for (part, counts) in &self.by_part {
            println!(
                "| `{part}` | {} | {} | {} | {} | {} | {} |",
                counts.all,
                counts.caught,
                counts.timed_out,
                counts.unviable,
                counts.survived,
                counts.left_out
            );
        }
        self.by_part.values().any(|counts| counts.survived > 0)
    }
}
