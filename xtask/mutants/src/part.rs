//! The parts of the code whose tests are measured.

/// A package, all of whose parts are in one build.
pub(crate) struct Package {
    pub(crate) name: &'static str,
    /// Where its crate begins.
    pub(crate) root: &'static str,
    /// Which of its test programs notice mistakes.
    pub(crate) programs: &'static [&'static str],
    /// What the names of the tests have in them; none: all.
    pub(crate) names: &'static [&'static str],
    pub(crate) parts: &'static [Part],
}

/// A part of a package.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) files: &'static str,
}

const fn part(name: &'static str, files: &'static str) -> Part {
    Part { name, files }
}

pub(crate) const PACKAGES: &[Package] = &[
    Package {
        name: "chitty-chat",
        root: "src/lib.rs",
        programs: &["--lib"],
        names: &["lamport::", "causality::", "event::"],
        parts: &[
            part("lamport", "src/lamport.rs"),
            part("causality", "src/causality.rs"),
        ],
    },
    Package {
        name: "chitty-server",
        root: "server/src/lib.rs",
        programs: &["--lib", "--test=rpc"],
        names: &[],
        parts: &[
            part("room", "server/src/room/**/*.rs"),
            part("sequencer", "server/src/sequencer/**/*.rs"),
            part("log", "server/src/log/**/*.rs"),
        ],
    },
    Package {
        name: "chitty",
        root: "tui-client/src/lib.rs",
        programs: &["--lib", "--test=session"],
        names: &[],
        parts: &[part("session", "tui-client/src/session/**/*.rs")],
    },
];

/// The names of all parts.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let parts = PACKAGES.iter().flat_map(|package| package.parts);
    parts.map(|part| part.name)
}
