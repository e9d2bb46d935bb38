//! What the checks need and a fresh machine has not.

use crate::run::{Failed, Step};

/// Debian's packages; nothing is done where all is there.
pub(crate) fn packages() -> Result<(), Failed> {
    let venv = Step::new("python3").args(&["-c", "import venv, ensurepip"]);
    let strace = Step::new("strace").arg("-V");
    if venv.succeeds() && strace.succeeds() {
        return Ok(());
    }
    apt(&["python3", "python3-venv", "strace"])
}

/// The browser that tries out the page.
pub(crate) fn browser() -> Result<(), Failed> {
    if Step::new("chromium").args(&["--version"]).succeeds() {
        return Ok(());
    }
    apt(&["chromium"])
}

/// What the benchmark measures beside this server.
pub(crate) fn other_servers() -> Result<(), Failed> {
    install(
        &[
            "/usr/bin/redis-server",
            "/usr/sbin/nats-server",
            "/usr/sbin/ngircd",
            "/usr/bin/ss",
        ],
        &["redis-server", "nats-server", "ngircd", "iproute2"],
    )
}

/// Networks of their own for the attackers.
pub(crate) fn namespaces() -> Result<(), Failed> {
    install(
        &["/usr/bin/unshare", "/usr/bin/ip"],
        &["util-linux", "iproute2"],
    )
}

/// What the client's screen is measured beside.
pub(crate) fn other_clients() -> Result<(), Failed> {
    install(
        &["/usr/bin/irssi", "/usr/bin/weechat", "/usr/sbin/ngircd"],
        &["irssi", "weechat-curses", "ngircd"],
    )
}

/// The packages, unless all the programs are there.
fn install(programs: &[&str], packages: &[&str]) -> Result<(), Failed> {
    let is_there = |program: &&str| Step::new("test").args(&["-x", program]).succeeds();
    if programs.iter().all(is_there) {
        return Ok(());
    }
    apt(packages)
}

fn apt(packages: &[&str]) -> Result<(), Failed> {
    let apt = || {
        let needs_sudo = !Step::new("test")
            .args(&["-w", "/var/lib/dpkg/lock"])
            .succeeds();
        if needs_sudo {
            Step::new("sudo").arg("apt-get")
        } else {
            Step::new("apt-get")
        }
        .env("DEBIAN_FRONTEND", "noninteractive")
    };
    apt().arg("update").run()?;
    apt()
        .args(&["install", "-y", "--no-install-recommends"])
        .args(packages)
        .run()
}

/// The toolchain's own parts, which a minimal one lacks.
pub(crate) fn components() -> Result<(), Failed> {
    for (component, asked) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if !Step::new("cargo").args(&[asked, "--version"]).succeeds() {
            Step::new("rustup")
                .args(&["component", "add", component])
                .run()?;
        }
    }
    Ok(())
}
