//! A folder that is checked once and then kept open.
//!
//! A path can lead elsewhere a moment after it was checked, if its folder is renamed and a link put
//! in its place. Operations relative to an open folder happen in the folder that was checked.

use std::{
    ffi::OsStr,
    fs::{self, File, Permissions},
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use rustix::{
    fs::{AtFlags, Mode, OFlags, openat, renameat, statat},
    io::Errno,
};

use super::{FileFacts, OTHERS, check_file, check_owner, check_shared, in_our_words};

/// An open folder in which nobody else can rename this user's files.
#[derive(Debug)]
pub struct Folder(File);

/// The identity of a file or folder: its device number and its inode number.
pub type FileIdentity = (u64, u64);

impl Folder {
    /// Opens an existing folder if [`check_shared_folder`](super::check_shared_folder) accepts it.
    /// If the path itself is a symbolic link, the link has to belong to this user or root, too.
    pub fn open(path: &Path) -> io::Result<Self> {
        let named = fs::symlink_metadata(path)?;
        if named.is_symlink() && named.uid() != 0 {
            check_owner(&named)?;
        }
        let folder = File::open(path)?;
        check_shared(&folder.metadata()?)?;
        Ok(Self(folder))
    }

    /// The identity of this folder.
    pub fn identity(&self) -> io::Result<FileIdentity> {
        let metadata = self.0.metadata()?;
        Ok((metadata.dev(), metadata.ino()))
    }

    /// Opens a file in this folder for appending and reading, by the rules of
    /// [`open_own`](super::open_own).
    pub fn append(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::RDWR
            | OFlags::APPEND
            | OFlags::CREATE
            | OFlags::NOFOLLOW
            | OFlags::NONBLOCK
            | OFlags::NOCTTY
            | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = match openat(&self.0, name, flags, mode) {
            Ok(file) => File::from(file),
            Err(error) => return Err(self.explain(name, error)),
        };
        let metadata = file.metadata()?;
        check_file(&metadata)?;
        if metadata.mode() & OTHERS != 0 {
            file.set_permissions(Permissions::from_mode(metadata.mode() & 0o700))?;
        }
        Ok(file)
    }

    /// A clearer error if a file was refused because of its kind or its owner.
    pub(super) fn explain(&self, name: &OsStr, error: Errno) -> io::Error {
        if let Err(reason) = self.check(name) {
            return reason;
        }
        match self.0.metadata().map(|metadata| check_owner(&metadata)) {
            Ok(Err(reason)) => io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("its folder: {reason}"),
            ),
            Ok(Ok(())) | Err(_) => in_our_words(error.into()),
        }
    }

    /// Checks that this process may write to the file of this name, or rename another one to it: it
    /// does not exist, or is a regular file of this user with one name.
    pub fn check(&self, name: &OsStr) -> io::Result<()> {
        match statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(FileFacts::from(&stat).check()?),
            Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The identity of the file with this name; `None` if there is none.
    pub fn find(&self, name: &OsStr) -> io::Result<Option<FileIdentity>> {
        match statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            // The types of these fields differ between systems.
            #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
            Ok(stat) => Ok(Some((stat.st_dev as u64, stat.st_ino as u64))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Renames a file, and replaces an existing file with the new name.
    pub fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(renameat(&self.0, from, &self.0, to)?)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{lchown, symlink};

    use super::*;

    const NAME: &str = "file";

    fn name() -> &'static OsStr {
        OsStr::new(NAME)
    }

    #[test]
    fn an_open_folder_stays_the_one_that_was_checked() {
        let parent = tempfile::tempdir().expect("a folder");
        let path = |name: &str| parent.path().join(name);
        fs::create_dir(path("logs")).expect("made");
        fs::create_dir(path("elsewhere")).expect("made");
        let folder = Folder::open(&path("logs")).expect("ours");
        fs::rename(path("logs"), path("aside")).expect("ours");
        symlink(path("elsewhere"), path("logs")).expect("made");
        folder.append(name()).expect("made");
        assert!(path("aside").join(NAME).exists());
        assert!(!path("elsewhere").join(NAME).exists());
    }

    #[test]
    fn a_folder_behind_a_link_of_somebody_elses_is_refused() {
        let parent = tempfile::tempdir().expect("a folder");
        let path = |name: &str| parent.path().join(name);
        fs::create_dir(path("real")).expect("made");
        symlink(path("real"), path("link")).expect("made");
        Folder::open(&path("link")).expect("both are ours");
        if lchown(path("link"), Some(65534), None).is_err() {
            eprintln!("not tried: only root can give a link away");
            return;
        }
        let error = Folder::open(&path("link")).expect_err("not ours");
        assert!(error.to_string().contains("it belongs to"), "{error}");
    }

    #[test]
    fn what_is_no_file_of_ours_is_neither_opened_nor_renamed_to() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(parent.path()).expect("ours");
        folder.check(name()).expect("not there");
        assert_eq!(folder.find(name()).expect("readable"), None);
        symlink("/nowhere/at/all", parent.path().join(NAME)).expect("made");
        for error in [
            folder.append(name()).expect_err("a link"),
            folder.check(name()).expect_err("a link"),
        ] {
            assert!(error.to_string().contains("symbolic link"), "{error}");
        }
    }
}
