//! The folder for log files.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use etcetera::{BaseStrategy as _, base_strategy::Xdg};

use super::LogError;
use crate::files::{Folder, check_own_folder, check_shared_folder, make_folder};

/// The folder of a checkout, which is also the last resort.
const LOCAL: &str = "logs";
/// The name of this program's folder in the user's state folder.
const PROGRAM: &str = "chitty-chat";

/// A folder for log files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDirectory {
    /// The path of the folder.
    pub path: PathBuf,
    /// Why `./logs` is not used although it exists and no other folder was named. Users expect
    /// their logs there, so this is reported.
    pub passed_over: Option<String>,
}

impl LogDirectory {
    /// A notice for the user if log files are not where they are expected.
    pub fn notice(&self) -> Option<String> {
        let reason = self.passed_over.as_ref()?;
        let path = self.path.display();
        Some(format!(
            "./logs is not used: {reason}; log files are in {path}"
        ))
    }
}

/// The default folder for log files: `./logs` if that is a folder of this user that others cannot
/// write to, as in a checkout; otherwise `chitty-chat` in the user's state folder of the XDG Base
/// Directory Specification (`$XDG_STATE_HOME`, or `~/.local/state`).
pub fn default_directory() -> LogDirectory {
    let local = Path::new(LOCAL);
    let local = local.is_dir().then(|| check_own_folder(local));
    let state = Xdg::new().ok().and_then(|folders| folders.state_dir());
    choose(local, state)
}

/// Chooses the folder. `local` says whether `./logs` may be used; `None` if it does not exist.
fn choose(local: Option<io::Result<()>>, state: Option<PathBuf>) -> LogDirectory {
    let passed_over = match &local {
        Some(Err(error)) => Some(error.to_string()),
        Some(Ok(())) | None => None,
    };
    let path = match (local, state) {
        (None | Some(Err(_)), Some(state)) => state.join(PROGRAM),
        // A system user may have no home. A folder in the current directory is better than no log.
        _ => PathBuf::from(LOCAL),
    };
    LogDirectory { path, passed_over }
}

/// Prepares the folder for log files: `asked`, or [`default_directory`]. It is created with mode
/// 0700 if it does not exist.
///
/// # Errors
/// The folder cannot be created. Or it is not safe: it belongs neither to this user nor to
/// root, or others can rename files in it.
pub fn prepare_directory(asked: Option<&Path>) -> Result<LogDirectory, LogError> {
    let chosen = match asked {
        Some(path) => LogDirectory {
            path: path.to_owned(),
            passed_over: None,
        },
        None => default_directory(),
    };
    let failed = |source| LogError::Directory {
        path: chosen.path.clone(),
        source,
    };
    // With sudo, HOME is often still that of the calling user, who could not write to a folder that
    // root creates there.
    if asked.is_none() {
        check_parent(&chosen.path).map_err(failed)?;
    }
    make_folder(&chosen.path)
        .and_then(|()| Folder::open(&chosen.path).map(drop))
        .map_err(failed)?;
    Ok(chosen)
}

/// Checks the existing folder in which this one would be created.
fn check_parent(path: &Path) -> io::Result<()> {
    let there = path
        .ancestors()
        .find(|path| fs::symlink_metadata(path).is_ok());
    match there {
        Some(there) => check_shared_folder(there)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", there.display()))),
        // A relative path, in the current folder.
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    fn unsafe_folder() -> io::Error {
        io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to eve")
    }

    #[test]
    fn where_logs_go() {
        let state = || Some(PathBuf::from("/state"));
        for (local, state, expected, passed_over) in [
            (Some(Ok(())), state(), "logs", false),
            (Some(Ok(())), None, "logs", false),
            (None, state(), "/state/chitty-chat", false),
            (None, None, "logs", false),
            (
                Some(Err(unsafe_folder())),
                state(),
                "/state/chitty-chat",
                true,
            ),
            (Some(Err(unsafe_folder())), None, "logs", true),
        ] {
            let found = choose(local, state);
            assert_eq!(found.path, Path::new(expected));
            let why = passed_over.then(|| "it belongs to eve".to_owned());
            assert_eq!(found.passed_over, why);
        }
    }

    #[test]
    fn a_folder_that_was_asked_for_is_made_or_refused_with_the_reason() {
        let parent = tempfile::tempdir().expect("a folder");
        let path = parent.path().join("deep/logs");
        let made = prepare_directory(Some(&path)).expect("made");
        assert_eq!(made.path, path);
        let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode));
        mode(0o777).expect("ours");
        let error = prepare_directory(Some(&path)).expect_err("others can rename files");
        let error = error.to_string();
        assert!(error.contains("others can write to it"), "{error}");
        assert!(error.contains("--log-dir"), "{error}");
        mode(0o1777).expect("ours");
        prepare_directory(Some(&path)).expect("as in /tmp");
        fs::write(parent.path().join("file"), "").expect("written");
        prepare_directory(Some(&parent.path().join("file"))).expect_err("a file");
    }

    #[test]
    fn a_folder_of_somebody_elses_is_refused_with_the_owner() {
        const NOBODY: u32 = 65534;
        let parent = tempfile::tempdir().expect("a folder");
        let path = |name: &str| parent.path().join(name);
        fs::create_dir(path("theirs")).expect("made");
        if chown(path("theirs"), Some(NOBODY), None).is_err() {
            eprintln!("not tried: only root can give a folder away");
            return;
        }
        let owner = crate::files::user_name(NOBODY);
        symlink(path("theirs"), path("link")).expect("made");
        for name in ["theirs", "link"] {
            let error = prepare_directory(Some(&path(name))).expect_err("theirs");
            assert!(error.to_string().contains(&owner), "{error}");
        }
        let error = check_parent(&path("theirs/.local/state/chitty-chat"));
        let error = error.expect_err("theirs").to_string();
        assert!(error.contains(&owner), "{error}");
        check_parent(&path("ours/.local")).expect("ours");
    }
}
