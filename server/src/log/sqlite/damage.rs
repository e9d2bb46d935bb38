//! Damage that is found while a chat is served.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use super::{Problem, ReadError, open};

/// So many different problems are told; then it is known that the file is damaged.
const MOST_TOLD: usize = 20;

/// Tells whoever runs the server of what is found damaged, each once.
pub(super) struct Damage {
    path: PathBuf,
    told: Mutex<BTreeSet<String>>,
}

impl Damage {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.into(),
            told: Mutex::default(),
        }
    }

    pub(super) fn tell<T>(&self, result: Result<T, Problem>) -> Result<T, ReadError> {
        result.map_err(|problem| {
            let reason = problem.to_string();
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.len() < MOST_TOLD && told.insert(reason.clone()) {
                let path = self.path.display();
                open::say(&format!("the chat in {path} is damaged: {reason}"));
            }
            ReadError(reason.into())
        })
    }
}
