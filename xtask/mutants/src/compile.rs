//! A copy of the workspace with all mutants of a package in it, and its test programs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use color_eyre::eyre::{Result, WrapErr as _, bail, ensure};
use serde::Deserialize;

use crate::{
    list::Mutant,
    part::Package,
    switch::{ROOT, switch},
};

/// What came of compiling.
pub(crate) struct Compiled {
    /// The test programs.
    pub(crate) programs: Vec<Program>,
    /// The numbers of those that do not compile.
    pub(crate) unviable: BTreeSet<usize>,
    /// The numbers of those that cannot be switched on and off.
    pub(crate) apart: BTreeSet<usize>,
}

/// A test program.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    /// The folder of its package, where cargo would run it.
    pub(crate) folder: PathBuf,
}

/// Where a mutant's code is in a file of the copy.
type Regions = BTreeMap<String, Vec<(Range<usize>, Vec<usize>)>>;

/// Compiles all that compile but for those whose fate is `known`, in a copy of the workspace below
/// `folder`.
pub(crate) fn compile(
    package: &Package,
    mutants: &[Mutant],
    known: impl Iterator<Item = usize>,
    folder: &Path,
) -> Result<Compiled> {
    let tree = folder.join("tree");
    copy_tree(&tree)?;
    let mut compiled = Compiled {
        programs: Vec::new(),
        unviable: BTreeSet::new(),
        apart: BTreeSet::new(),
    };
    let known = known.collect();
    let mut callers = BTreeSet::new();
    loop {
        let regions = write(package, mutants, &known, &callers, &tree, &mut compiled)?;
        let messages = build(package, &tree, &folder.join("build"))?;
        let failures: Vec<_> = messages.iter().filter_map(JsonLine::failure).collect();
        if failures.is_empty() {
            compiled
                .programs
                .extend(messages.iter().filter_map(JsonLine::program));
            ensure!(!compiled.programs.is_empty(), "there are no test programs");
            return Ok(compiled);
        }
        let mut found = BTreeSet::new();
        for failure in failures {
            match constant_caller(failure, &regions) {
                Some(file) => _ = callers.insert(file.to_owned()),
                None => found.extend(blame(failure, &regions)?),
            }
        }
        println!("{} do not compile", found.len());
        compiled.unviable.extend(found);
    }
}

/// Copies what git knows of, and removes the rest. What is there already and the same stays, so
/// that it is not compiled again.
fn copy_tree(tree: &Path) -> Result<()> {
    let listed = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .output()
        .wrap_err("git cannot be run")?;
    ensure!(listed.status.success(), "git ls-files: {}", listed.status);
    let listed = String::from_utf8(listed.stdout).wrap_err("a file's name is not UTF-8")?;
    let files: BTreeSet<PathBuf> = listed
        .split_terminator('\0')
        .map(|file| tree.join(file))
        .collect();
    fs::create_dir_all(tree).wrap_err_with(|| format!("{} cannot be made", tree.display()))?;
    remove_others(tree, &files).wrap_err_with(|| format!("{} cannot be tidied", tree.display()))?;
    for file in listed.split_terminator('\0') {
        let text = fs::read(file).wrap_err_with(|| format!("{file} cannot be read"))?;
        replace(&tree.join(file), &text)?;
    }
    Ok(())
}

/// Removes files that an earlier run copied and that are gone since: cargo would find their tests.
fn remove_others(folder: &Path, files: &BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            remove_others(&path, files)?;
        } else if !files.contains(&path) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn replace(path: &Path, text: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .wrap_err_with(|| format!("{} cannot be written", path.display()))
}

/// Writes the package's files with those mutants that are not known not to compile. The files of
/// `callers` have no mutants; their functions are no constants either.
fn write(
    package: &Package,
    mutants: &[Mutant],
    known: &BTreeSet<usize>,
    callers: &BTreeSet<String>,
    tree: &Path,
    compiled: &mut Compiled,
) -> Result<Regions> {
    let mut by_file: BTreeMap<&str, Vec<(usize, &Mutant)>> = BTreeMap::new();
    by_file.entry(package.root).or_default();
    for file in callers {
        by_file.entry(file).or_default();
    }
    for (number, mutant) in mutants.iter().enumerate() {
        let of_file = by_file.entry(&mutant.file).or_default();
        let is_out = [known, &compiled.unviable, &compiled.apart]
            .iter()
            .any(|numbers| numbers.contains(&number));
        if !is_out {
            of_file.push((number, mutant));
        }
    }
    let mut regions = Regions::new();
    for (file, mutants) in by_file {
        let source = fs::read_to_string(file).wrap_err_with(|| format!("{file} cannot be read"))?;
        let mut switched = switch(&source, &mutants).wrap_err_with(|| file.to_owned())?;
        if file == package.root {
            switched.text.push_str(ROOT);
        }
        replace(&tree.join(file), switched.text.as_bytes())?;
        regions.insert(file.to_owned(), switched.regions);
        compiled.apart.extend(switched.apart);
        compiled.unviable.extend(switched.unviable);
    }
    Ok(regions)
}

fn build(package: &Package, tree: &Path, target: &Path) -> Result<Vec<JsonLine>> {
    let output = Command::new("cargo")
        .current_dir(tree)
        .env("CARGO_TARGET_DIR", std::path::absolute(target)?)
        .args(["test", "--no-run", "--message-format=json"])
        .args(["--package", package.name])
        .args(package.others.iter().flat_map(|other| ["--package", other]))
        .args(package.programs)
        .stderr(Stdio::inherit())
        .output()
        .wrap_err("cargo cannot be run")?;
    let lines = output.stdout.split(|byte| *byte == b'\n');
    let messages: Result<Vec<JsonLine>, _> = lines
        .filter(|line| !line.is_empty())
        .map(serde_json::from_slice)
        .collect();
    let messages = messages.wrap_err("cargo says what is not understood")?;
    let has_failure = messages.iter().any(|message| message.failure().is_some());
    ensure!(
        output.status.success() || has_failure,
        "cargo test --no-run: {}",
        output.status
    );
    Ok(messages)
}

/// The file of a constant function that calls a function with a switch, which is none any more.
fn constant_caller<'a>(failure: &'a Diagnostic, regions: &Regions) -> Option<&'a str> {
    let is_constant = failure.rendered.contains("in constant functions");
    let span = failure.spans.iter().find(|span| span.is_primary)?;
    (is_constant && !regions.contains_key(&span.file_name)).then_some(&*span.file_name)
}

/// Whose fault it is that something does not compile.
fn blame(failure: &Diagnostic, regions: &Regions) -> Result<Vec<usize>> {
    let spans = failure.spans.iter().filter(|span| span.is_primary);
    for span in spans {
        let Some(regions) = regions.get(&span.file_name) else {
            continue;
        };
        let holds =
            |region: &Range<usize>| region.start <= span.byte_start && span.byte_end <= region.end;
        let around = regions.iter().filter(|(region, _)| holds(region));
        let innermost = around.min_by_key(|(region, _)| region.len());
        if let Some((_, numbers)) = innermost {
            return Ok(numbers.clone());
        }
    }
    // A line that only counts the others has no place.
    if failure.spans.is_empty() {
        return Ok(Vec::new());
    }
    bail!("no mutant is to blame for this: {}", failure.rendered);
}

/// A line of JSON that cargo prints.
#[derive(Deserialize)]
struct JsonLine {
    message: Option<Diagnostic>,
    executable: Option<PathBuf>,
    manifest_path: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Diagnostic {
    level: String,
    #[serde(default)]
    rendered: String,
    spans: Vec<Span>,
}

#[derive(Deserialize)]
struct Span {
    file_name: String,
    byte_start: usize,
    byte_end: usize,
    is_primary: bool,
}

impl JsonLine {
    fn program(&self) -> Option<Program> {
        Some(Program {
            path: self.executable.clone()?,
            folder: self.manifest_path.as_ref()?.parent()?.to_owned(),
        })
    }

    fn failure(&self) -> Option<&Diagnostic> {
        self.message
            .as_ref()
            .filter(|message| message.level == "error")
    }
}
