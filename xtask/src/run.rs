//! Runs other programs, and prints each command.

use std::{
    env,
    ffi::OsStr,
    fmt,
    path::PathBuf,
    process::{Command, Stdio},
};

/// What failed, as a sentence.
pub(crate) struct Failed(pub(crate) String);

impl Failed {
    pub(crate) fn new(what: impl fmt::Display) -> Self {
        Self(what.to_string())
    }
}

/// A program to be run.
pub(crate) struct Step(Command);

impl Step {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command.stdin(Stdio::null());
        Self(command)
    }

    pub(crate) fn args(mut self, args: &[&str]) -> Self {
        self.0.args(args);
        self
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.0.arg(arg);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Prints the command, and runs it.
    pub(crate) fn run(mut self) -> Result<(), Failed> {
        println!("+ {}", self.line());
        match self.0.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Failed::new(format_args!("{}: {status}", self.line()))),
            Err(error) => Err(Failed::new(format_args!("{}: {error}", self.line()))),
        }
    }

    /// Runs it without printing anything, to check something.
    pub(crate) fn succeeds(mut self) -> bool {
        self.0.stdout(Stdio::null()).stderr(Stdio::null());
        self.0.status().is_ok_and(|status| status.success())
    }

    fn line(&self) -> String {
        let program = self.0.get_program();
        std::iter::once(program)
            .chain(self.0.get_args())
            .map(|word| word.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// The folder that cargo builds into.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from)
}

/// Builds all programs of the workspace for development, and returns the folder that they are in.
///
/// All of them at once, and with the examples, because cargo then chooses the same features for the
/// libraries as for the tests. Each program by itself would have tokio, tonic and SQLite compiled
/// again.
pub(crate) fn programs() -> Result<PathBuf, Failed> {
    cargo(&["build", "--locked", "--workspace", "--bins", "--examples"])?;
    Ok(target().join("debug"))
}

/// Builds these packages as they are shipped and measured, and returns the folder that their
/// programs are in.
pub(crate) fn shipped(packages: &[&str]) -> Result<PathBuf, Failed> {
    let packages = packages.iter().flat_map(|package| ["--package", package]);
    let options = ["build", "--locked", "--profile", "dist"];
    cargo(&options.into_iter().chain(packages).collect::<Vec<_>>())?;
    Ok(target().join("dist"))
}

/// Runs the cargo that runs this program.
pub(crate) fn cargo(args: &[&str]) -> Result<(), Failed> {
    Step::new("cargo").args(args).run()
}
