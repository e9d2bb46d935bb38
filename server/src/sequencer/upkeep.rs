//! Upkeep: the logs that are larger than their cap are trimmed, one step of one chat at a time, so
//! that requests are served in between.

use std::{collections::VecDeque, time::Duration};

use super::{SequencerError, open_chats::OpenChats};
use crate::{follower::ChatSlot, log::Keep};

/// How often the sizes of capped logs are checked.
pub(super) const TRIM_EVERY: Duration = Duration::from_secs(10);

/// Pause between two steps of trims, in which requests are served.
pub(super) const TRIM_PAUSE: Duration = Duration::from_millis(50);

/// The chats that are being trimmed.
#[derive(Default)]
pub(super) struct Upkeep {
    /// They take turns.
    trimming: VecDeque<ChatSlot>,
}

impl Upkeep {
    /// Takes one step of one trim. If none is under way, first checks which logs need one. Returns
    /// the time until the next step.
    pub(super) async fn step(
        &mut self,
        chats: &mut OpenChats,
        keep: Keep,
    ) -> Result<Duration, SequencerError> {
        if self.trimming.is_empty() {
            self.trimming.extend(chats.that_need_trim(keep));
        }
        if let Some(slot) = self.trimming.pop_front()
            && chats.trim(slot, keep).await?
        {
            self.trimming.push_back(slot);
        }
        Ok(if self.trimming.is_empty() {
            TRIM_EVERY
        } else {
            TRIM_PAUSE
        })
    }
}
