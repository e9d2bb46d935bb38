//! Paths as people write them, with `~`.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Component, Path, PathBuf},
};

use thiserror::Error;

/// Why a text is not accepted as a path.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum UserPathError {
    /// It names another user's home.
    #[error("{0} is not looked up: write that folder in full, or ~ for your own home")]
    OtherHome(String),
    /// This user has no home.
    #[error("~ is no folder here, because there is no home: write the folder in full")]
    NoHome,
    /// It contains a shell variable.
    #[error("{0} is not replaced here: write the folder in full, or ~ for your home")]
    Variable(String),
}

/// The path that a user wrote into an option, a variable or a file, which no shell has expanded.
/// `~` at its start is the user's home.
///
/// Syntax that only a shell understands is an error; taken literally, it would create a folder with
/// that name. A file whose name really begins with `~` or `$` is written `./~name`.
pub fn user_path(path: impl AsRef<Path>) -> Result<PathBuf, UserPathError> {
    expand(path.as_ref(), || etcetera::home_dir().ok())
}

fn expand(path: &Path, home: impl FnOnce() -> Option<PathBuf>) -> Result<PathBuf, UserPathError> {
    let begins = |name: &OsStr, sign: u8| name.as_bytes().first() == Some(&sign);
    let is_here = path.as_os_str().as_bytes().starts_with(b"./");
    let named = path.components().find_map(|part| match part {
        Component::Normal(name) if begins(name, b'$') && !is_here => Some(name),
        _ => None,
    });
    if let Some(name) = named {
        return Err(UserPathError::Variable(name.to_string_lossy().into_owned()));
    }
    let mut parts = path.components();
    match parts.next() {
        Some(Component::Normal(name)) if name == "~" => {
            let home = home().ok_or(UserPathError::NoHome)?;
            Ok(home.join(parts.as_path()))
        }
        Some(Component::Normal(name)) if begins(name, b'~') => Err(UserPathError::OtherHome(
            name.to_string_lossy().into_owned(),
        )),
        _ => Ok(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(path: &str) -> Result<String, UserPathError> {
        let home = || Some(PathBuf::from("/home/ada"));
        expand(Path::new(path), home).map(|path| path.display().to_string())
    }

    #[test]
    fn only_what_no_shell_has_read_is_changed() {
        for (written, path) in [
            ("~", "/home/ada/"),
            ("~/", "/home/ada/"),
            ("~/logs/chat", "/home/ada/logs/chat"),
            ("/var/log", "/var/log"),
            ("logs/~", "logs/~"),
            ("logs~", "logs~"),
            ("./~", "./~"),
            ("./$x", "./$x"),
            ("a$b", "a$b"),
            ("-", "-"),
        ] {
            assert_eq!(expanded(written).as_deref(), Ok(path), "{written}");
        }
    }

    #[test]
    fn what_would_make_an_odd_folder_is_refused() {
        for (written, part) in [
            ("~bob/logs", "~bob"),
            ("$HOME/logs", "$HOME"),
            ("${HOME}/logs", "${HOME}"),
            ("/home/$USER/logs", "$USER"),
        ] {
            let error = expanded(written).expect_err(written).to_string();
            assert!(error.starts_with(part), "{error}");
        }
        let homeless = expand(Path::new("~/logs"), || None);
        assert_eq!(homeless, Err(UserPathError::NoHome));
    }
}
