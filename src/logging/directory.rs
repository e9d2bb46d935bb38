//! Where log files go when nobody says.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
};

/// The folder of a checkout, and of last resort.
const LOCAL: &str = "logs";
/// The folder of this program among the state of all.
const PROGRAM: &str = "chitty-chat";

/// `./logs` where there is such a folder, as in a checkout; else `chitty-chat` in the user's state
/// folder: `$XDG_STATE_HOME`, or `~/.local/state`.
pub fn default_directory() -> PathBuf {
    directory(
        Path::new(LOCAL).is_dir(),
        env::var_os("XDG_STATE_HOME").as_deref(),
        etcetera::home_dir().ok().as_deref(),
    )
}

/// The XDG Base Directory Specification: a relative path in the variable counts for nothing.
fn directory(has_local: bool, state: Option<&OsStr>, home: Option<&Path>) -> PathBuf {
    if has_local {
        return PathBuf::from(LOCAL);
    }
    let state = state.map(Path::new).filter(|path| path.is_absolute());
    match (state, home) {
        (Some(state), _) => state.join(PROGRAM),
        (None, Some(home)) => home.join(".local/state").join(PROGRAM),
        // A system user may have neither; a folder where it was started is better than no log.
        (None, None) => PathBuf::from(LOCAL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_logs_go() {
        let home = Some(Path::new("/home/ada"));
        let state = |path: &'static str| Some(OsStr::new(path));
        for (has_local, state, home, expected) in [
            (true, state("/state"), home, "logs"),
            (false, state("/state"), home, "/state/chitty-chat"),
            (false, None, home, "/home/ada/.local/state/chitty-chat"),
            (false, state(""), home, "/home/ada/.local/state/chitty-chat"),
            (
                false,
                state("rel"),
                home,
                "/home/ada/.local/state/chitty-chat",
            ),
            (false, None, None, "logs"),
        ] {
            assert_eq!(directory(has_local, state, home), Path::new(expected));
        }
    }
}
