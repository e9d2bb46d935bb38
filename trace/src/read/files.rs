//! Finds the log files, and puts rotated ones into the order in which they were written.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use super::TraceReadError;

/// Finds the log files at these paths: a file is taken as it is, a folder for all log files in it.
/// Rotated files of a process come oldest first. A file that is named twice is returned once.
///
/// # Errors
///
/// Fails if a path does not exist or a folder cannot be read.
pub fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, TraceReadError> {
    let mut found = BTreeMap::new();
    for path in paths {
        let failed = |source| TraceReadError {
            path: path.clone(),
            source,
        };
        if !fs::metadata(path).map_err(failed)?.is_dir() {
            add(&mut found, path.clone()).map_err(failed)?;
            continue;
        }
        for entry in fs::read_dir(path).map_err(failed)? {
            let file = entry.map_err(failed)?.path();
            // A folder can contain other files. A file that is named is read whatever it is called.
            if is_log(&file) && file.is_file() {
                add(&mut found, file).map_err(failed)?;
            }
        }
    }
    Ok(found.into_values().collect())
}

/// Paths by the name without the rotation number, oldest first: the highest number is the oldest.
type FilesInOrder = BTreeMap<(PathBuf, std::cmp::Reverse<u32>), PathBuf>;

fn add(found: &mut FilesInOrder, path: PathBuf) -> io::Result<()> {
    // Named twice, as a file and by its folder, or through a link: the real path is the same.
    let real = fs::canonicalize(&path)?;
    let (stem, number) = split(&real);
    found
        .entry((stem, std::cmp::Reverse(number)))
        .or_insert(path);
    Ok(())
}

fn is_log(path: &Path) -> bool {
    let (stem, _) = split(path);
    stem.extension().is_some_and(|extension| extension == "log")
}

/// Splits off the rotation number: `x.log.3` is `x.log` and 3, `x.log` is `x.log` and 0.
fn split(path: &Path) -> (PathBuf, u32) {
    let number = path
        .extension()
        .and_then(|extension| extension.to_str())
        .and_then(|extension| extension.parse().ok());
    match number {
        Some(number) => (path.with_extension(""), number),
        None => (path.to_owned(), 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_files_come_oldest_first_and_none_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in [
            "b.log",
            "a.log",
            "a.log.1",
            "a.log.10",
            "a.log.2",
            "notes.txt",
            "a.log.old",
        ] {
            fs::write(path(name), "").unwrap();
        }
        fs::create_dir(path("folder.log")).unwrap();
        let found = find(&[folder.path().to_owned(), path("a.log")]).unwrap();
        let expected = ["a.log.10", "a.log.2", "a.log.1", "a.log", "b.log"].map(path);
        assert_eq!(found, expected);
        assert_eq!(find(&[path("notes.txt")]).unwrap(), [path("notes.txt")]);
        let missing = find(&[path("none")]).unwrap_err().to_string();
        assert!(missing.contains("none"), "{missing}");
    }
}
