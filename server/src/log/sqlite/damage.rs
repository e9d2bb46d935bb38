//! Reports of damage that is found while a chat is served.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use super::{Problem, ReadError, open};

/// Different problems that are reported at most. After that it is known well enough that the file
/// is damaged.
const MOST_REPORTED: usize = 20;

/// Reports each problem once to the operator of the server.
pub(super) struct Damage {
    path: PathBuf,
    reported: Mutex<BTreeSet<String>>,
}

impl Damage {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.into(),
            reported: Mutex::default(),
        }
    }

    pub(super) fn report<T>(&self, result: Result<T, Problem>) -> Result<T, ReadError> {
        result.map_err(|problem| {
            let reason = problem.to_string();
            let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
            if reported.len() < MOST_REPORTED && reported.insert(reason.clone()) {
                let path = self.path.display();
                open::say(&format!("the chat in {path} is damaged: {reason}"));
            }
            ReadError(reason.into())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::UNIX_EPOCH};

    use chitty_chat::{Position, logging::subscriber};

    use super::*;

    #[test]
    fn each_problem_is_told_once_and_not_more_than_a_few() {
        // With only one, tracing may not ask it: another test's thread has none.
        let second = subscriber("", "", || UNIX_EPOCH, |_| {});
        let _second = tracing::Dispatch::new(second);
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let subscriber = subscriber(
            "server",
            "3f9a21c0",
            || UNIX_EPOCH,
            move |line| sink.lock().expect("whole").push(line.to_owned()),
        );
        let damage = Damage::new(Path::new("chat.db"));
        let reported = |position: u64| {
            let position = Position::new(position);
            let result: Result<(), _> = Err(Problem::Checksum { position });
            let error = damage.report(result).expect_err("damaged").to_string();
            assert!(error.contains("the checksum is wrong"), "{error}");
            lines.lock().expect("whole").len()
        };
        tracing::subscriber::with_default(subscriber, || {
            for position in 1..=30 {
                let expected = MOST_REPORTED.min(usize::try_from(position).expect("small"));
                assert_eq!(
                    (reported(position), reported(position)),
                    (expected, expected)
                );
            }
            damage.report::<()>(Ok(())).expect("whole");
        });
        let lines = lines.lock().expect("whole");
        assert_eq!(lines.len(), MOST_REPORTED);
        assert!(lines[6].contains("the chat in chat.db is damaged: position 7"));
    }
}
