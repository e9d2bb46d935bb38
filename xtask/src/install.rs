//! What the checks need and a fresh machine has not.

use crate::run::{Failed, Step};

/// What the check needs beside Rust and a C compiler, as Debian's packages: all that is missing is
/// named first, and installed at once.
pub(crate) fn for_the_check() -> Result<(), Failed> {
    let needs = [PYTHON, STRACE, BROWSER, UNSHARE, IP];
    let missing: Vec<_> = needs.iter().filter(|need| !need.is_there()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("These Debian packages are missing, and are installed with apt-get:");
    for need in &missing {
        println!("  {:<28}{}", need.packages.join(" "), need.purpose);
    }
    let packages: Vec<_> = missing.iter().flat_map(|need| need.packages).collect();
    apt(&packages.into_iter().copied().collect::<Vec<_>>())
}

/// A program that something here calls.
struct Need {
    /// Succeeds if it is there.
    probe: &'static [&'static str],
    packages: &'static [&'static str],
    purpose: &'static str,
}

const PYTHON: Need = Need {
    probe: &["python3", "-c", "import venv, ensurepip"],
    packages: &["python3", "python3-venv"],
    purpose: "a second implementation of the protocol",
};

const STRACE: Need = Need {
    probe: &["strace", "-V"],
    packages: &["strace"],
    purpose: "the tests of what is on disk before it is acknowledged",
};

const BROWSER: Need = Need {
    probe: &["chromium", "--version"],
    packages: &["chromium"],
    purpose: "the page of chitty trace",
};

const UNSHARE: Need = Need {
    probe: &["unshare", "--version"],
    packages: &["util-linux"],
    purpose: "the attackers' own networks",
};

const IP: Need = Need {
    probe: &["ip", "-V"],
    packages: &["iproute2"],
    purpose: "the attackers' own networks",
};

impl Need {
    fn is_there(&self) -> bool {
        let [program, arguments @ ..] = self.probe else {
            return false;
        };
        Step::new(program).args(arguments).succeeds()
    }

    fn install(&self) -> Result<(), Failed> {
        if self.is_there() {
            return Ok(());
        }
        apt(self.packages)
    }
}

/// For the second implementation of the protocol.
pub(crate) fn python() -> Result<(), Failed> {
    PYTHON.install()
}

/// The browser that tries out the page.
pub(crate) fn browser() -> Result<(), Failed> {
    BROWSER.install()
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
    UNSHARE.install()?;
    IP.install()
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
