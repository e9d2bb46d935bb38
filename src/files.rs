//! Files and folders that belong to this user.
//!
//! A process may write to folders that others can write to as well: `./logs` of a checkout in
//! `/tmp`, a data folder on a shared disk. Another user who creates the file first, or puts a link
//! in its place, could make the process write elsewhere, or read what it writes. So a file is
//! written to only if it is a regular file of this user, has one name, and was not reached through
//! a link (CWE-59, CWE-377: <https://cwe.mitre.org/data/definitions/59.html>).
//!
//! Every such error is an [`io::Error`] of the kind `PermissionDenied`. Its text says what is
//! wrong, and who owns the file.

use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions},
    io,
    os::unix::fs::{
        DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
    },
    path::Path,
};

use nix::unistd::{Uid, User};
use rustix::{
    fs::{FileType, OFlags, Stat},
    io::Errno,
};
use thiserror::Error;

mod folder;
mod home;
mod private;

pub use self::{
    folder::{FileIdentity, Folder},
    home::{UserPathError, user_path},
    private::{read_private, write_private},
};

/// The bits of a file mode that give others than the owner any access.
const OTHERS: u32 = 0o077;
/// The bits of a file mode that let others than the owner write.
const OTHERS_WRITE: u32 = 0o022;
/// The bit of a folder in which only the owner of a file can rename or remove it, as in `/tmp`.
const STICKY: u32 = 0o1000;

/// Why a file or a folder is not used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
enum Unsafe {
    #[error("it belongs to {owner}, and this process runs as {user}")]
    Foreign { owner: String, user: String },
    #[error("it is a symbolic link, which is not followed")]
    Link,
    #[error("it is {0}, and not a regular file")]
    Kind(&'static str),
    #[error("it has {0} names (hard links); a file of this program has one")]
    Links(u64),
    #[error("it is not a folder")]
    NotAFolder,
    #[error("others can write to it (mode {0:o}); take that away with chmod go-w")]
    Writable(u32),
    #[error("others can read it or write to it (mode {0:o}); take that away with chmod 600")]
    Readable(u32),
    #[error("it is longer than {0} bytes, and so it is not what it should be")]
    TooLong(u64),
}

impl From<Unsafe> for io::Error {
    fn from(reason: Unsafe) -> Self {
        Self::new(io::ErrorKind::PermissionDenied, reason)
    }
}

/// Opens a file for writing, and creates it with mode 0600 if it does not exist and `options` allow
/// it. `options` says how to open it (`append`, `create_new` and so on).
///
/// An existing file is used only if it is a regular file of this user with one name. Access by
/// others is removed from its mode. A symbolic link is not followed. A FIFO or a device is refused
/// without waiting for it. `options` must not truncate, because that would happen before the file
/// is known to be this user's.
pub fn open_own(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    // NONBLOCK, because opening a FIFO would wait for its other end.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = options
        .mode(0o600)
        .custom_flags(flags)
        .open(path)
        .map_err(|error| explain(path, error))?;
    let metadata = file.metadata()?;
    check_file(&metadata)?;
    if metadata.mode() & OTHERS != 0 {
        // By the open file and not by its path, which may lead to another file by now.
        file.set_permissions(Permissions::from_mode(metadata.mode() & 0o700))?;
    }
    Ok(file)
}

/// Opens a regular file for reading, whoever owns it. A pipe or a device is refused without waiting
/// for it.
pub fn open_to_read(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    check_kind(FileFacts::from(&file.metadata()?).kind)?;
    Ok(file)
}

/// Checks that [`open_own`] would accept the file at this path, for files that a library opens by
/// name. A file that does not exist is accepted.
pub fn check_own(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(check_file(&metadata)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Creates a folder with mode 0700, and its parents, if they do not exist.
pub fn make_folder(path: &Path) -> io::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Unsafe::NotAFolder.into(),
        _ => error,
    })
}

/// Checks that a folder belongs to this user, and that others cannot change its contents. A
/// symbolic link to such a folder is accepted if the link belongs to this user, too.
pub fn check_own_folder(path: &Path) -> io::Result<()> {
    check_owner(&fs::symlink_metadata(path)?)?;
    let metadata = fs::metadata(path)?;
    if !metadata.is_dir() {
        return Err(Unsafe::NotAFolder.into());
    }
    check_owner(&metadata)?;
    match metadata.mode() & OTHERS_WRITE {
        0 => Ok(()),
        _ => Err(Unsafe::Writable(metadata.mode() & 0o7777).into()),
    }
}

/// Whether a folder, and a symbolic link that leads to it, belong to this user.
pub fn is_own_folder(path: &Path) -> io::Result<bool> {
    let user = effective_user();
    let (link, folder) = (fs::symlink_metadata(path)?, fs::metadata(path)?);
    Ok(folder.is_dir() && link.uid() == user && folder.uid() == user)
}

/// Checks that other users cannot interfere with this user's files in a folder: it belongs to this
/// user or to root, and others either cannot write there or, as in `/tmp`, cannot touch files that
/// are not theirs.
pub fn check_shared_folder(path: &Path) -> io::Result<()> {
    check_shared(&fs::metadata(path)?)
}

fn check_shared(metadata: &Metadata) -> io::Result<()> {
    if !metadata.is_dir() {
        return Err(Unsafe::NotAFolder.into());
    }
    if metadata.uid() != 0 {
        check_owner(metadata)?;
    }
    if metadata.mode() & OTHERS_WRITE != 0 && metadata.mode() & STICKY == 0 {
        return Err(Unsafe::Writable(metadata.mode() & 0o7777).into());
    }
    Ok(())
}

/// The name of a user, or the number if there is no name, for messages.
pub fn user_name(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => format!("user {uid}"),
    }
}

/// The effective user id of this process.
pub fn effective_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn check_file(metadata: &Metadata) -> Result<(), Unsafe> {
    FileFacts::from(metadata).check()
}

/// What the system says about a file, whichever call was used.
struct FileFacts {
    uid: u32,
    kind: FileType,
    links: u64,
}

impl From<&Metadata> for FileFacts {
    fn from(metadata: &Metadata) -> Self {
        Self {
            uid: metadata.uid(),
            kind: FileType::from_raw_mode(metadata.mode()),
            links: metadata.nlink(),
        }
    }
}

impl From<&Stat> for FileFacts {
    // The types of these fields differ between systems.
    #[allow(clippy::useless_conversion, clippy::unnecessary_fallible_conversions)]
    fn from(stat: &Stat) -> Self {
        Self {
            uid: stat.st_uid,
            kind: FileType::from_raw_mode(stat.st_mode),
            links: u64::try_from(stat.st_nlink).unwrap_or(u64::MAX),
        }
    }
}

impl FileFacts {
    fn check(&self) -> Result<(), Unsafe> {
        if self.kind.is_symlink() {
            return Err(Unsafe::Link);
        }
        // Checked first, because the owner is the most helpful thing to report.
        check_user(self.uid)?;
        check_kind(self.kind)?;
        match self.links {
            // A file that was removed meanwhile has no name, which is harmless.
            0 | 1 => Ok(()),
            links => Err(Unsafe::Links(links)),
        }
    }
}

fn check_kind(kind: FileType) -> Result<(), Unsafe> {
    match kind {
        FileType::RegularFile => Ok(()),
        FileType::Directory => Err(Unsafe::Kind("a folder")),
        FileType::Fifo => Err(Unsafe::Kind("a pipe")),
        FileType::Socket => Err(Unsafe::Kind("a socket")),
        _ => Err(Unsafe::Kind("a device")),
    }
}

fn check_owner(metadata: &Metadata) -> Result<(), Unsafe> {
    check_user(metadata.uid())
}

fn check_user(owner: u32) -> Result<(), Unsafe> {
    let user = effective_user();
    if owner == user {
        return Ok(());
    }
    Err(Unsafe::Foreign {
        owner: user_name(owner),
        user: user_name(user),
    })
}

/// A clearer error if the system refused a file because of its kind or its owner.
fn explain(path: &Path, error: io::Error) -> io::Error {
    match fs::symlink_metadata(path).map(|metadata| check_file(&metadata)) {
        Ok(Err(reason)) => reason.into(),
        Ok(Ok(())) | Err(_) => in_our_words(error),
    }
}

/// What the error alone says about the file. When the file is examined after the error, it may be
/// gone, or be another one.
fn in_our_words(error: io::Error) -> io::Error {
    match Errno::from_io_error(&error) {
        Some(Errno::ISDIR) => Unsafe::Kind("a folder").into(),
        Some(Errno::LOOP) => Unsafe::Link.into(),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn append(path: &Path) -> io::Result<File> {
        open_own(path, OpenOptions::new().append(true).create(true))
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).expect("there").mode() & 0o7777
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("ours");
    }

    /// Gives a file to another user; `false` if this user may not.
    fn give_away(path: &Path) -> bool {
        const NOBODY: u32 = 65534;
        std::os::unix::fs::lchown(path, Some(NOBODY), None).is_ok()
    }

    #[test]
    fn a_new_file_is_readable_by_its_owner_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new");
        append(&path).expect("made");
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_file_that_others_can_read_is_closed_to_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("open");
        fs::write(&path, "before").expect("written");
        chmod(&path, 0o666);
        append(&path).expect("ours");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(fs::read(&path).expect("readable"), b"before");
    }

    #[test]
    fn what_is_no_file_of_ours_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("target"), "mine").expect("written");
        symlink(path("target"), path("link")).expect("made");
        symlink(path("nowhere"), path("dangling")).expect("made");
        fs::write(path("twice"), "mine").expect("written");
        fs::hard_link(path("twice"), path("thrice")).expect("made");
        fs::create_dir(path("folder")).expect("made");
        nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("made");
        for (name, reason) in [
            ("link", "a symbolic link, which is not followed"),
            ("dangling", "a symbolic link, which is not followed"),
            ("twice", "has 2 names (hard links)"),
            ("folder", "is a folder, and not a regular file"),
            ("pipe", "is a pipe, and not a regular file"),
        ] {
            let error = append(&path(name)).expect_err("not ours");
            assert!(error.to_string().contains(reason), "{name}: {error}");
            let error = check_own(&path(name)).expect_err("not ours");
            assert!(error.to_string().contains(reason), "{name}: {error}");
        }
        assert!(!path("nowhere").exists(), "the link was followed");
        check_own(&path("none")).expect("what is not there is in order");
        check_own(&path("target")).expect("ours");
    }

    #[test]
    fn what_was_in_the_way_is_named_after_it_is_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let gone = folder.path().join("gone");
        for (error, reason) in [
            (Errno::ISDIR, "it is a folder, and not a regular file"),
            (Errno::LOOP, "it is a symbolic link, which is not followed"),
        ] {
            assert_eq!(explain(&gone, error.into()).to_string(), reason);
            let opened = Folder::open(folder.path()).expect("ours");
            let error = opened.explain("gone".as_ref(), error);
            assert_eq!(error.to_string(), reason);
        }
        let full = explain(&gone, Errno::NOSPC.into());
        assert_eq!(full.raw_os_error(), Some(Errno::NOSPC.raw_os_error()));
    }

    #[test]
    fn what_belongs_to_somebody_else_is_refused_with_the_owner() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        fs::write(&path, "theirs").expect("written");
        if !give_away(&path) {
            eprintln!("not tried: only root can give a file away");
            return;
        }
        let error = append(&path).expect_err("not ours").to_string();
        let owner = user_name(65534);
        assert!(error.contains(&format!("belongs to {owner}")), "{error}");
        assert!(give_away(folder.path()));
        let error = check_own_folder(folder.path()).expect_err("not ours");
        assert!(error.to_string().contains(&owner), "{error}");
        check_shared_folder(folder.path()).expect_err("not ours");
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_not_ours() {
        let folder = tempfile::tempdir().expect("a folder");
        for (mode, own, shared) in [
            (0o700, true, true),
            (0o755, true, true),
            (0o775, false, false),
            (0o777, false, false),
            (0o1777, false, true),
        ] {
            chmod(folder.path(), mode);
            assert_eq!(check_own_folder(folder.path()).is_ok(), own, "{mode:o}");
            let is_shared = check_shared_folder(folder.path()).is_ok();
            assert_eq!(is_shared, shared, "{mode:o}");
        }
        let file = folder.path().join("file");
        fs::write(&file, "").expect("written");
        let error = check_own_folder(&file).expect_err("no folder");
        assert!(error.to_string().contains("not a folder"), "{error}");
    }
}
