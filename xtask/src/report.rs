//! The report: makes its run again, draws its diagram and sets its PDF; also the manual's picture
//! of the same run.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    conformance::venv,
    install, page,
    run::{Failed, Step, programs, target},
};

const FOLDER: &str = "docs/report";
const REQUIREMENTS: &str = "docs/report/requirements.txt";
/// Sets the PDF; with `--pages FOLDER` also a picture of each page, and with `--input KEY=VALUE`
/// instead of what `about.toml` says.
const SCRIPT: &str = "docs/report/build.py";

/// The manual's picture of the page, in which Z's line is chosen.
const PICTURE: &str = "docs/pictures/trace-page.png";
const CHOICE: &str = "\
<script>{
  fit();
  const own = events.findIndex((g) => g.dataset.position === '6' && g.dataset.lane === '0');
  choose(own);
  document.getElementById('line').textContent = lines.get(events[own]);
}</script></body>";

/// Makes the run, and from its logs the report. `arguments` go to the script that sets it.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failed> {
    install::python()?;
    install::browser()?;
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
    programs()?;
    for (name, options) in [
        ("check.txt", &[][..]),
        ("diagram.svg", &["--last", "0", "--svg", "-"]),
    ] {
        trace(options, &folder.join(name))?;
    }
    picture()?;
    let python = venv("report", Path::new(REQUIREMENTS))?;
    let mut step = Step::new(python).arg(SCRIPT);
    for argument in arguments {
        step = step.arg(argument);
    }
    step.run()
}

/// The page of the run in a browser, as a picture.
fn picture() -> Result<(), Failed> {
    let here = env::current_dir().map_err(Failed::new)?;
    let made = here.join(target()).join("report");
    fs::create_dir_all(&made).map_err(Failed::new)?;
    let page = made.join("page.html");
    trace(&["--last", "0", "--html", "-"], &page)?;
    let html = fs::read_to_string(&page).map_err(Failed::new)?;
    fs::write(&page, html.replace("</body>", CHOICE)).map_err(Failed::new)?;
    let picture = made.join("page.png");
    let _ = fs::remove_file(&picture);
    let shot = format!("--screenshot={}", picture.display());
    let options = ["--hide-scrollbars", "--force-device-scale-factor=1", &shot];
    page::browse(&made.join("browser"), &page, "1100,900", &options)?;
    fs::copy(&picture, here.join(PICTURE)).map_err(Failed::new)?;
    println!("{PICTURE}");
    Ok(())
}

/// Writes what `chitty trace` says about the logs to a file.
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
