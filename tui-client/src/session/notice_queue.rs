//! Notices that wait for the app.

use std::{collections::VecDeque, time::Duration};

use chitty_chat::LamportTime;
use tokio::sync::mpsc;

use super::{ClockCause, Link, Notice};

/// The notices that the app's channel has no space for yet. The stream is read only while there are
/// none, so that a slow app reaches the server's flow control and nothing grows.
#[derive(Debug)]
pub(super) struct NoticeQueue {
    pub(super) notices: mpsc::Sender<Notice>,
    pub(super) waiting: VecDeque<Notice>,
    link: Option<Link>,
    clock: LamportTime,
}

/// How long the last notices may wait for the app.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl NoticeQueue {
    /// With more notices than this waiting, commands are not taken either, because each causes an
    /// answer.
    pub(super) const MANY: usize = 256;

    pub(super) fn new(notices: mpsc::Sender<Notice>) -> Self {
        Self {
            notices,
            waiting: VecDeque::new(),
            link: None,
            clock: LamportTime::ZERO,
        }
    }

    /// Queues a notice. If it contains a reading of the clock, call [`NoticeQueue::note_clock`] as
    /// well.
    pub(super) fn push(&mut self, notice: Notice) {
        self.waiting.push_back(notice);
    }

    /// Reports the state of the link if it changed.
    pub(super) fn link(&mut self, link: Link) {
        if self.link.as_ref() != Some(&link) {
            self.link = Some(link.clone());
            self.push(Notice::Link(link));
        }
    }

    /// Takes note that the app knows this reading of the clock from another notice.
    pub(super) fn note_clock(&mut self, clock: LamportTime) {
        self.clock = clock;
    }

    /// Reports the clock if the app does not know this reading.
    pub(super) fn clock(&mut self, clock: LamportTime, moved: ClockCause) {
        if self.clock != clock {
            self.clock = clock;
            self.push(Notice::Clock { clock, moved });
        }
    }

    /// Waits until the app has taken most of its notices or no longer listens: three quarters of
    /// the channel are free.
    pub(super) async fn taken(&self) {
        // Three quarters are enough: the aim is a bound on memory, not an idle app.
        let most = self.notices.max_capacity() / 4 * 3;
        drop(self.notices.reserve_many(most).await);
    }

    /// Delivers all remaining notices if the app still listens.
    pub(super) async fn finish(mut self) {
        let flush = async {
            for notice in self.waiting.drain(..) {
                if self.notices.send(notice).await.is_err() {
                    return;
                }
            }
        };
        if tokio::time::timeout(LAST_WORDS, flush).await.is_err() {
            tracing::debug!("the app did not read the last notices");
        }
    }
}
