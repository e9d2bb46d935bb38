//! The report: its run made anew, its diagram drawn, its PDF set.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    conformance::{target, venv},
    install,
    run::{Failed, Step, cargo},
};

const FOLDER: &str = "docs/report";
const REQUIREMENTS: &str = "docs/report/requirements.txt";
/// Sets the PDF; with `--pages FOLDER` also a picture of each page.
const SCRIPT: &str = "docs/report/build.py";

/// Makes the run, and from its logs the report. `arguments` go to the script that sets it.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failed> {
    install::packages()?;
    let folder = Path::new(FOLDER);
    let logs = env::current_dir()
        .map_err(Failed::new)?
        .join(folder)
        .join("logs");
    fs::create_dir_all(&logs).map_err(Failed::new)?;
    Step::new("cargo")
        .args(&[
            "test",
            "--locked",
            "--package",
            "chitty",
            "--test",
            "terminal",
        ])
        .arg("the_run_of_the_report")
        .env("CHITTY_REPORT_LOGS", &logs)
        .run()?;
    cargo(&["build", "--locked", "--package", "chitty"])?;
    for (name, options) in [
        ("check.txt", &[][..]),
        ("diagram.svg", &["--last", "0", "--svg", "-"]),
    ] {
        trace(options, &folder.join(name))?;
    }
    let python = venv("report", Path::new(REQUIREMENTS))?;
    let mut step = Step::new(python).arg(SCRIPT);
    for argument in arguments {
        step = step.arg(argument);
    }
    step.run()
}

/// What `chitty trace` says of the logs, into a file.
fn trace(options: &[&str], to: &Path) -> Result<(), Failed> {
    let program: PathBuf = env::current_dir()
        .map_err(Failed::new)?
        .join(target())
        .join("debug/chitty");
    let file = File::create(to).map_err(Failed::new)?;
    let status = Command::new(program)
        .arg("trace")
        .args(options)
        .args(["server", "X", "Y", "Z"].map(|who| format!("logs/{who}.log")))
        .current_dir(FOLDER)
        .stdin(Stdio::null())
        .stdout(file)
        .status()
        .map_err(Failed::new)?;
    if status.success() {
        return Ok(());
    }
    Err(Failed::new(format_args!(
        "chitty trace: {status}; see {}",
        to.display()
    )))
}
