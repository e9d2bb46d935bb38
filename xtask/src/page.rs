//! Tests the page of `chitty trace --html` in a real browser.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    install,
    run::{Failed, Step, programs, target},
};

const LOGS: &str = "trace/tests/real";
const CHECK: &str = "trace/tests/page/check.js";
/// Hostile text in the place of a message.
const HARMLESS: &str = "hello, everybody";
const HARMFUL: &str = "</text></title></svg></script><img src=x onerror=document.title=1><script>wrong.push(1)</script>";
/// The text that the check leaves in the page.
const WELL: &str = "data-checked=\"well\"";

/// Makes a page from recorded logs with something hostile in them, and tests it.
pub(crate) fn run() -> Result<(), Failed> {
    install::browser()?;
    let programs = programs()?;
    let folder = env::current_dir()
        .map_err(Failed::new)?
        .join(target())
        .join("page");
    let logs = hostile_logs(&folder)?;
    let page = folder.join("page.html");
    Step::new(programs.join("chitty"))
        .args(&["trace", "--last", "0", "--html"])
        .arg(&page)
        .arg(logs)
        .run()?;
    let html = fs::read_to_string(&page).map_err(Failed::new)?;
    let check = fs::read_to_string(CHECK).map_err(Failed::new)?;
    let tried = html.replace("</body>", &format!("<script>{check}</script></body>"));
    fs::write(&page, tried).map_err(Failed::new)?;
    let shown = dump(&folder.join("browser"), &page)?;
    if shown.contains(WELL) {
        println!("the page works");
        return Ok(());
    }
    let said = shown
        .split_once("data-checked=\"")
        .map_or("it did not run", |(_, said)| said);
    let said = said.split('"').next().unwrap_or_default();
    Err(Failed::new(format_args!("{}: {said}", page.display())))
}

fn hostile_logs(folder: &Path) -> Result<PathBuf, Failed> {
    let logs = folder.join("logs");
    fs::create_dir_all(&logs).map_err(Failed::new)?;
    for entry in fs::read_dir(LOGS).map_err(Failed::new)? {
        let entry = entry.map_err(Failed::new)?;
        let text = fs::read_to_string(entry.path()).map_err(Failed::new)?;
        fs::write(
            logs.join(entry.file_name()),
            text.replace(HARMLESS, HARMFUL),
        )
        .map_err(Failed::new)?;
    }
    Ok(logs)
}

/// The page as the browser has it after its scripts have run.
fn dump(profile: &Path, page: &Path) -> Result<String, Failed> {
    let output = browse(profile, page, "1280,900", &["--dump-dom"])?;
    Ok(String::from_utf8_lossy(&output).into_owned())
}

/// Opens a page in a browser window of this size, and returns the browser's output.
pub(crate) fn browse(
    profile: &Path,
    page: &Path,
    size: &str,
    options: &[&str],
) -> Result<Vec<u8>, Failed> {
    let _ = fs::remove_dir_all(profile);
    let output = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .arg(format!("--window-size={size}"))
        .args(options)
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .map_err(Failed::new)?;
    let _ = fs::remove_dir_all(profile);
    Ok(output.stdout)
}
