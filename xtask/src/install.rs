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
    let installed = |program: &str| Step::new("test").args(&["-x", program]).succeeds();
    if installed("/usr/bin/redis-server")
        && installed("/usr/sbin/nats-server")
        && installed("/usr/sbin/ngircd")
    {
        return Ok(());
    }
    apt(&["redis-server", "nats-server", "ngircd"])
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
