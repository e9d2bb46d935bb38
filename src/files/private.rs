//! Files with secrets: keys, which nobody but their owner may read or replace.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use rustix::fs::OFlags;

use super::{Folder, OTHERS, Unsafe, check_file, explain};

/// What the name of a file that is not whole yet ends with.
const UNFINISHED: &str = ".new";

/// Reads a file with a secret of at most `most` bytes; `None` if it does not exist.
///
/// It is read only if it is a regular file of this user with one name that nobody else can read or
/// write. A file that others can read may have been read by them, so its mode is not corrected.
pub fn read_private(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(explain(path, error)),
    };
    let metadata = file.metadata()?;
    check_file(&metadata)?;
    if metadata.mode() & OTHERS != 0 {
        return Err(Unsafe::Readable(metadata.mode() & 0o7777).into());
    }
    let mut contents = Vec::new();
    file.take(most + 1).read_to_end(&mut contents)?;
    if contents.len() as u64 > most {
        return Err(Unsafe::TooLong(most).into());
    }
    Ok(Some(contents))
}

/// Writes a file with a secret, mode 0600, in place of an existing one. After a failure or a crash,
/// the file is either the old one or the new one, and whole.
///
/// The folder must be one in which only this user can rename files. One process at a time may write
/// a file of this name.
pub fn write_private(folder: &Path, name: &OsStr, contents: &[u8]) -> io::Result<()> {
    let opened = Folder::open(folder)?;
    opened.check(name)?;
    let mut unfinished = name.to_owned();
    unfinished.push(UNFINISHED);
    let path = folder.join(&unfinished);
    // A crash may have left one, whose contents are not whole.
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let written = write_new(&path, contents).and_then(|()| opened.rename(&unfinished, name));
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&path);
    }
    written?;
    // The name is durable only after the folder is.
    File::open(folder)?.sync_all()
}

fn write_new(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(contents)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::{
        fs::Permissions,
        os::unix::fs::{PermissionsExt as _, lchown, symlink},
    };

    use super::*;

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("ours");
    }

    fn refusal(path: &Path) -> String {
        read_private(path, 100).expect_err("not safe").to_string()
    }

    #[test]
    fn a_secret_is_written_for_its_owner_only_and_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        assert_eq!(read_private(&path, 100).expect("readable"), None);
        for contents in [b"first".as_slice(), b"second"] {
            write_private(folder.path(), "key".as_ref(), contents).expect("written");
            let read = read_private(&path, 100).expect("ours");
            assert_eq!(read.as_deref(), Some(contents));
            let mode = fs::metadata(&path).expect("there").mode();
            assert_eq!(mode & 0o7777, 0o600);
        }
        let files = fs::read_dir(folder.path()).expect("ours").count();
        assert_eq!(files, 1, "the unfinished file is gone");
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        fs::write(&path, "secret").expect("written");
        for mode in [0o640, 0o604, 0o660, 0o622] {
            chmod(&path, mode);
            let refused = refusal(&path);
            assert!(refused.contains(&format!("mode {mode:o}")), "{refused}");
            assert!(refused.contains("chmod 600"), "{refused}");
            let now = fs::metadata(&path).expect("there").mode() & 0o7777;
            assert_eq!(now, mode, "the mode is the user's to change");
        }
    }

    #[test]
    fn what_is_no_file_of_ours_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("target"), "secret").expect("written");
        chmod(&path("target"), 0o600);
        symlink(path("target"), path("link")).expect("made");
        fs::write(path("twice"), "secret").expect("written");
        chmod(&path("twice"), 0o600);
        fs::hard_link(path("twice"), path("thrice")).expect("made");
        fs::write(path("long"), [0; 101]).expect("written");
        chmod(&path("long"), 0o600);
        for (name, reason) in [
            ("link", "a symbolic link"),
            ("twice", "2 names"),
            ("long", "longer than 100 bytes"),
        ] {
            let refused = refusal(&path(name));
            assert!(refused.contains(reason), "{name}: {refused}");
        }
        let error = write_private(folder.path(), "link".as_ref(), b"new").expect_err("a link");
        assert!(error.to_string().contains("symbolic link"), "{error}");
        let target = fs::read(path("target")).expect("there");
        assert_eq!(target, b"secret", "the link was followed");
        if lchown(path("target"), Some(65534), None).is_err() {
            eprintln!("not tried: only root can give a file away");
            return;
        }
        let refused = refusal(&path("target"));
        assert!(refused.contains("it belongs to"), "{refused}");
    }

    #[test]
    fn a_crash_in_the_middle_of_writing_leaves_no_trace() {
        let folder = tempfile::tempdir().expect("a folder");
        let unfinished = folder.path().join("key.new");
        fs::write(&unfinished, "hal").expect("written");
        write_private(folder.path(), "key".as_ref(), b"whole").expect("written");
        assert!(!unfinished.exists());
        // Another user's trap in its place is removed, and not followed.
        symlink(folder.path().join("elsewhere"), &unfinished).expect("made");
        write_private(folder.path(), "key".as_ref(), b"again").expect("written");
        assert!(!folder.path().join("elsewhere").exists());
    }

    #[test]
    fn a_folder_that_others_can_write_to_gets_no_secret() {
        let folder = tempfile::tempdir().expect("a folder");
        chmod(folder.path(), 0o777);
        let error = write_private(folder.path(), "key".as_ref(), b"secret").expect_err("open");
        assert!(error.to_string().contains("others can write"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).expect("ours").count(), 0);
    }
}
