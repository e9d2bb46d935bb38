//! Runs other programs, and prints each command.

use std::{
    ffi::OsStr,
    fmt,
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

/// The cargo that runs this program.
pub(crate) fn cargo(args: &[&str]) -> Result<(), Failed> {
    Step::new("cargo").args(args).run()
}
