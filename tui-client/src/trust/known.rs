//! The servers that this device knows: the file `known_servers`.

use std::{
    ffi::OsStr,
    fs::{File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use chitty_chat::{
    address::ServerAddress,
    files,
    fingerprint::{Fingerprint, Pin},
};
use thiserror::Error;

use super::line::{KnownServer, LineError};

const FILE: &str = "known_servers";
/// Held while the file is changed, because several clients may run.
const LOCK: &str = "known_servers.lock";
/// The most servers that are remembered.
const MOST: usize = 1000;
/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// The first line of a new file.
const HEAD: &str = "# The servers that chitty knows, by their keys. `chitty trust` changes a key.";

/// The contents of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownServers {
    lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Line {
    Server(KnownServer),
    /// A comment, or an empty line.
    Text(String),
}

/// Why the known servers cannot be used.
#[derive(Debug, Error)]
pub enum KnownError {
    /// The file cannot be read or is not safe.
    #[error("cannot use {}: {source}", path.display())]
    Read {
        /// The path of the file.
        path: PathBuf,
        /// What is wrong with it, or what the system says.
        source: io::Error,
    },
    /// A line is not understood.
    #[error("{}, line {number}: {source}; correct the line, or remove it", path.display())]
    Line {
        /// The path of the file.
        path: PathBuf,
        /// The number of the line, from 1.
        number: usize,
        /// What is wrong with it.
        source: LineError,
    },
    /// It cannot be written.
    #[error("cannot remember the server in {}: {source}", path.display())]
    Write {
        /// The path of the file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There are too many.
    #[error("{} has {MOST} servers already; remove some of its lines", .0.display())]
    Full(PathBuf),
}

impl KnownServers {
    /// Reads the file in this folder; there may be none.
    pub fn read(folder: &Path) -> Result<Self, KnownError> {
        let path = folder.join(FILE);
        let failed = |source| KnownError::Read {
            path: path.clone(),
            source,
        };
        let Some(bytes) = files::read_private(&path, MAX_FILE).map_err(failed)? else {
            return Ok(Self::default());
        };
        let text = String::from_utf8(bytes)
            .map_err(|_| failed(io::Error::other("it is not UTF-8; remove it or repair it")))?;
        Self::parse(&text).map_err(|(number, source)| KnownError::Line {
            path: path.clone(),
            number,
            source,
        })
    }

    fn parse(text: &str) -> Result<Self, (usize, LineError)> {
        let mut lines = Vec::new();
        for (index, line) in text.lines().enumerate() {
            lines.push(if line.trim().is_empty() || line.starts_with('#') {
                Line::Text(line.to_owned())
            } else {
                Line::Server(line.parse().map_err(|error| (index + 1, error))?)
            });
        }
        Ok(Self { lines })
    }

    /// All of them, in the order in which they became known.
    pub fn all(&self) -> impl Iterator<Item = &KnownServer> {
        self.lines.iter().filter_map(|line| match line {
            Line::Server(server) => Some(server),
            Line::Text(_) => None,
        })
    }

    /// Those at this address: one, or several at an address of this machine, where tunnels end.
    pub fn at<'a>(&'a self, address: &'a ServerAddress) -> impl Iterator<Item = &'a KnownServer> {
        self.all().filter(move |server| server.address == *address)
    }

    /// Those with this key: one server, which may have several addresses.
    pub fn with_pin(&self, pin: Pin) -> impl Iterator<Item = &KnownServer> {
        self.all()
            .filter(move |server| server.fingerprint.pin() == pin)
    }

    /// The server with exactly this address and this key.
    pub fn find(&self, address: &ServerAddress, key: Fingerprint) -> Option<&KnownServer> {
        let is_it = |server: &&KnownServer| server.address == *address && server.fingerprint == key;
        self.all().find(is_it)
    }

    /// Changes each server for which `change` returns true.
    pub fn change(&mut self, mut change: impl FnMut(&mut KnownServer)) {
        for line in &mut self.lines {
            if let Line::Server(server) = line {
                change(server);
            }
        }
    }

    /// Adds a server.
    pub fn push(&mut self, server: KnownServer) {
        if self.lines.is_empty() {
            self.lines.push(Line::Text(HEAD.to_owned()));
        }
        self.lines.push(Line::Server(server));
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            match line {
                Line::Server(server) => text.push_str(&server.to_string()),
                Line::Text(line) => text.push_str(line),
            }
            text.push('\n');
        }
        text
    }
}

/// Changes the file while no other client does. If `change` changes nothing, nothing is written.
/// When this returns, the change is durable.
pub(super) fn update<T>(
    folder: &Path,
    change: impl FnOnce(&mut KnownServers) -> T,
) -> Result<T, KnownError> {
    let path = folder.join(FILE);
    let failed = |source| KnownError::Write {
        path: path.clone(),
        source,
    };
    files::make_folder(folder).map_err(failed)?;
    let _lock = lock(folder).map_err(failed)?;
    let before = KnownServers::read(folder)?;
    let mut after = before.clone();
    let result = change(&mut after);
    if after == before {
        return Ok(result);
    }
    if after.all().count() > MOST {
        return Err(KnownError::Full(path));
    }
    files::write_private(folder, OsStr::new(FILE), after.text().as_bytes()).map_err(failed)?;
    Ok(result)
}

/// Waits for the lock, which another client holds for as long as it writes a small file.
fn lock(folder: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    let lock = files::open_own(&folder.join(LOCK), &mut options)?;
    lock.lock()?;
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    };

    use super::*;

    fn server(address: &str, key: &[u8]) -> KnownServer {
        KnownServer {
            address: address.parse().expect("an address"),
            fingerprint: Fingerprint::of_public_key(key),
            key: None,
            name: None,
            since: None,
            more: Vec::new(),
        }
    }

    #[test]
    fn servers_are_remembered_for_their_user_only() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("chitty-chat");
        assert_eq!(
            KnownServers::read(&folder).expect("none"),
            KnownServers::default()
        );
        for (address, key) in [
            ("chat.example.org", b"a"),
            ("localhost", b"b"),
            ("localhost", b"c"),
        ] {
            update(&folder, |known| known.push(server(address, key))).expect("written");
        }
        let known = KnownServers::read(&folder).expect("readable");
        assert_eq!(known.all().count(), 3);
        let localhost = "localhost:50051".parse().expect("an address");
        assert_eq!(known.at(&localhost).count(), 2);
        let key = Fingerprint::of_public_key(b"c");
        assert_eq!(known.with_pin(key.pin()).count(), 1);
        assert!(known.find(&localhost, key).is_some());
        let mode = |path: &Path| fs::metadata(path).expect("there").mode() & 0o7777;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&folder.join(FILE)), 0o600);
        let text = fs::read_to_string(folder.join(FILE)).expect("ours");
        assert!(text.starts_with('#'), "{text}");
    }

    #[test]
    fn comments_and_the_order_are_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        let text = format!(
            "# mine\n{}\n\n# theirs\n{}\n",
            server("a", b"a"),
            server("b", b"b")
        );
        fs::write(&path, &text).expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("ours");
        update(folder.path(), |known| {
            known.change(|server| {
                if server.address.host() == "b" {
                    server.name = Some("ada".into());
                }
            });
        })
        .expect("written");
        let now = fs::read_to_string(&path).expect("ours");
        let expected = text.trim_end().to_owned() + " name=ada\n";
        assert_eq!(now, expected);
    }

    #[test]
    fn what_changes_nothing_writes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        update(folder.path(), |_| ()).expect("nothing to do");
        assert!(!folder.path().join(FILE).exists());
    }

    #[test]
    fn a_file_that_is_not_safe_or_wrong_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        let write = |text: &str, mode| {
            fs::write(&path, text).expect("written");
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("ours");
        };
        let refused = |part: &str| {
            let error = KnownServers::read(folder.path())
                .expect_err(part)
                .to_string();
            assert!(error.contains(part), "{error}");
            let error = update(folder.path(), |known| known.push(server("x", b"x")));
            let error = error.expect_err(part).to_string();
            assert!(error.contains(part), "{error}");
        };
        write("", 0o644);
        refused("chmod 600");
        write("# ok\nchat.example.org MD5:x\n", 0o600);
        refused("line 2: its second word");
        let text = fs::read_to_string(&path).expect("ours");
        assert_eq!(
            text, "# ok\nchat.example.org MD5:x\n",
            "it is left as it was"
        );
        fs::remove_file(&path).expect("ours");
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &path).expect("made");
        refused("symbolic link");
        assert!(!folder.path().join("elsewhere").exists());
    }

    #[test]
    fn there_is_a_limit() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = update(folder.path(), |known| {
            for port in 1..=MOST + 1 {
                known.push(server(&format!("a:{port}"), b"a"));
            }
        });
        let error = error.expect_err("too many").to_string();
        assert!(error.contains("remove some of its lines"), "{error}");
        assert!(!folder.path().join(FILE).exists());
    }

    #[test]
    fn two_clients_at_once_both_remember() {
        let folder = tempfile::tempdir().expect("a folder");
        std::thread::scope(|scope| {
            for port in 1..=8 {
                let folder = folder.path();
                scope.spawn(move || {
                    update(folder, |known| {
                        known.push(server(&format!("a:{port}"), b"a"));
                    })
                    .expect("written");
                });
            }
        });
        let known = KnownServers::read(folder.path()).expect("whole");
        assert_eq!(known.all().count(), 8);
    }
}
