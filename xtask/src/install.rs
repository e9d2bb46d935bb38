//! The programs that the checks need and that a fresh machine lacks.

use crate::run::{Failed, Step};

/// A program that some command calls, and the Debian packages that contain it.
struct Need {
    /// A command that succeeds if the program is there.
    probe: &'static [&'static str],
    packages: &'static [&'static str],
    purpose: &'static str,
}

const PYTHON: Need = Need {
    probe: &["python3", "-c", "import venv, ensurepip"],
    packages: &["python3", "python3-venv"],
    purpose: "a second implementation of the protocol",
};

const OPENSSL: Need = Need {
    probe: &["openssl", "version"],
    packages: &["openssl"],
    purpose: "the key of a device that another program made",
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

const NGIRCD: Need = beside(&["test", "-x", "/usr/sbin/ngircd"], &["ngircd"]);

/// A program that is measured beside this one. `probe` is a path if Debian's package puts it where
/// not every user's PATH leads.
const fn beside(probe: &'static [&'static str], packages: &'static [&'static str]) -> Need {
    Need {
        probe,
        packages,
        purpose: "what is measured beside this program",
    }
}

impl Need {
    fn is_there(&self) -> bool {
        let [program, arguments @ ..] = self.probe else {
            return false;
        };
        Step::new(program).args(arguments).succeeds()
    }
}

/// What the check needs besides Rust and a C compiler.
pub(crate) fn for_the_check() -> Result<(), Failed> {
    provide(&[PYTHON, OPENSSL, STRACE, BROWSER, UNSHARE, IP])
}

/// A language for the second implementation of the protocol, and for the report.
pub(crate) fn python() -> Result<(), Failed> {
    provide(&[PYTHON])
}

/// For the second implementation of the protocol, also over TLS.
pub(crate) fn conformance() -> Result<(), Failed> {
    provide(&[PYTHON, OPENSSL])
}

/// The browser that tests the page.
pub(crate) fn browser() -> Result<(), Failed> {
    provide(&[BROWSER])
}

/// Network namespaces for the attacks.
pub(crate) fn namespaces() -> Result<(), Failed> {
    provide(&[UNSHARE, IP])
}

/// The servers that the benchmark measures beside this one.
pub(crate) fn other_servers() -> Result<(), Failed> {
    provide(&[
        beside(&["test", "-x", "/usr/bin/redis-server"], &["redis-server"]),
        beside(&["test", "-x", "/usr/sbin/nats-server"], &["nats-server"]),
        NGIRCD,
        beside(&["test", "-x", "/usr/bin/ss"], &["iproute2"]),
    ])
}

/// The programs that the client's screen is measured beside.
pub(crate) fn other_clients() -> Result<(), Failed> {
    provide(&[
        beside(&["test", "-x", "/usr/bin/irssi"], &["irssi"]),
        beside(&["test", "-x", "/usr/bin/weechat"], &["weechat-curses"]),
        NGIRCD,
    ])
}

/// Lists everything that is missing, and installs it.
fn provide(needs: &[Need]) -> Result<(), Failed> {
    let missing: Vec<_> = needs.iter().filter(|need| !need.is_there()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("These Debian packages are missing, and are installed with apt-get:");
    for need in &missing {
        println!("  {:<28}{}", need.packages.join(" "), need.purpose);
    }
    let packages = missing.iter().flat_map(|need| need.packages).copied();
    apt(&packages.collect::<Vec<_>>())
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

/// Components of the Rust toolchain that a minimal one lacks.
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
