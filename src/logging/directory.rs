//! Where log files go when nobody says.

use std::path::{Path, PathBuf};

use etcetera::{BaseStrategy as _, base_strategy::Xdg};

/// The folder of a checkout, and of last resort.
const LOCAL: &str = "logs";
/// The folder of this program among the state of all.
const PROGRAM: &str = "chitty-chat";

/// `./logs` where there is such a folder, as in a checkout; else `chitty-chat` in the user's state
/// folder by the XDG Base Directory Specification: `$XDG_STATE_HOME`, or `~/.local/state`.
pub fn default_directory() -> PathBuf {
    let state = Xdg::new().ok().and_then(|folders| folders.state_dir());
    directory(Path::new(LOCAL).is_dir(), state)
}

fn directory(has_local: bool, state: Option<PathBuf>) -> PathBuf {
    match state {
        Some(state) if !has_local => state.join(PROGRAM),
        // A system user may have no home; a folder where it was started is better than no log.
        _ => PathBuf::from(LOCAL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_logs_go() {
        for (has_local, state, expected) in [
            (true, Some("/state"), "logs"),
            (true, None, "logs"),
            (false, Some("/state"), "/state/chitty-chat"),
            (false, None, "logs"),
        ] {
            let found = directory(has_local, state.map(PathBuf::from));
            assert_eq!(found, Path::new(expected));
        }
    }
}
