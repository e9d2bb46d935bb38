//! The parts of the code whose tests are measured.

/// A package, all of whose parts are in one build.
pub(crate) struct Package {
    pub(crate) name: &'static str,
    /// Where its crate begins.
    pub(crate) root: &'static str,
    /// Other packages whose tests notice mistakes in this one.
    pub(crate) others: &'static [&'static str],
    /// Which of its test programs notice mistakes.
    pub(crate) programs: &'static [&'static str],
    pub(crate) parts: &'static [Part],
}

/// A part of a package.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) files: &'static str,
    /// What the names of its tests have in them, each after that of its program; none: all. Nearly all tests of a package come to
    /// its core, and those that are about something else take long to notice.
    pub(crate) names: &'static [&'static str],
}

const fn part(name: &'static str, files: &'static str, names: &'static [&'static str]) -> Part {
    Part { name, files, names }
}

impl Part {
    /// Whether a test is about this part; its name begins with that of its program.
    pub(crate) fn has_test(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|part| name.contains(part))
    }
}

pub(crate) const PACKAGES: &[Package] = &[
    Package {
        name: "chitty-chat",
        root: "src/lib.rs",
        others: &[],
        programs: &["--lib"],
        parts: &[
            part(
                "lamport",
                "src/lamport.rs",
                &["lamport::", "causality::", "event::"],
            ),
            part("causality", "src/causality.rs", &["causality::"]),
        ],
    },
    Package {
        name: "chitty-room",
        root: "server/room/src/lib.rs",
        others: &["chitty-server"],
        programs: &["--lib"],
        parts: &[part(
            "room",
            "server/room/src/**/*.rs",
            // All of the package's own tests, after the name of their program.
            &["chitty_room::", "sequencer::", "service::"],
        )],
    },
    Package {
        name: "chitty-server",
        root: "server/src/lib.rs",
        others: &[],
        programs: &[
            "--lib",
            "--test=rpc",
            "--test=log_lines",
            "--test=files",
            "--test=log_contract",
        ],
        parts: &[
            part("sequencer", "server/src/sequencer/**/*.rs", &[]),
            part(
                "log",
                "server/src/log/**/*.rs",
                &[
                    "log::",
                    "log_contract::",
                    "replay::",
                    "maintain::",
                    "files::",
                ],
            ),
            part(
                "replay",
                "server/src/replay/**/*.rs",
                &["log::", "replay::", "maintain::", "files::"],
            ),
        ],
    },
    Package {
        name: "chitty",
        root: "tui-client/src/lib.rs",
        others: &[],
        programs: &["--lib", "--test=session"],
        parts: &[part("session", "tui-client/src/session/**/*.rs", &[])],
    },
];

/// The names of all parts.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let parts = PACKAGES.iter().flat_map(|package| package.parts);
    parts.map(|part| part.name)
}
