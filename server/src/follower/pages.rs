//! How much a follower that lags reads from the log at once, and how many bytes all of them may
//! hold for peers that do not take them.
//!
//! Each page costs two switches between threads, which is most of what small ones cost. A large
//! page that its peer does not read stays in memory, so there is a fixed number of them. A follower
//! that gets none reads a small page: many who lag at once, or peers that never read, make nobody
//! wait.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::log::PageLimit;

/// A page of a follower that has no permit for a large one. It becomes one DATA frame.
const SMALL: PageLimit = PageLimit {
    records: 256,
    bytes: 16 << 10,
};

/// A page of a follower that has a permit.
const LARGE: PageLimit = PageLimit {
    records: 4096,
    bytes: 128 << 10,
};

/// Large pages that are in memory at once, 4 MiB in all.
const LARGE_PAGES: usize = 32;

/// The permits for large pages. A clone is the same.
#[derive(Clone, Debug)]
pub(super) struct PageBudget(Arc<Semaphore>);

impl Default for PageBudget {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LARGE_PAGES)))
    }
}

/// What a follower may read next. The permit of a large page lasts until its bytes are sent.
#[derive(Debug)]
pub(super) struct PagePermit(Option<OwnedSemaphorePermit>);

impl PageBudget {
    /// A permit for a large page, or for a small one if no large one is left.
    pub(super) fn permit(&self) -> PagePermit {
        PagePermit(Arc::clone(&self.0).try_acquire_owned().ok())
    }
}

impl PagePermit {
    /// How much may be read.
    pub(super) const fn limit(&self) -> PageLimit {
        match self.0 {
            Some(_) => LARGE,
            None => SMALL,
        }
    }

    /// The bytes of the page, which hold the permit for as long as HTTP/2 holds any of them.
    pub(super) fn attach(self, page: Vec<u8>) -> Bytes {
        match self.0 {
            Some(permit) => Bytes::from_owner(LargePage {
                bytes: page,
                _permit: permit,
            }),
            None => page.into(),
        }
    }
}

struct LargePage {
    bytes: Vec<u8>,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for LargePage {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_pages_are_counted_until_their_last_byte_is_sent() {
        let budget = PageBudget::default();
        let permits: Vec<_> = (0..LARGE_PAGES).map(|_| budget.permit()).collect();
        assert!(permits.iter().all(|permit| permit.limit() == LARGE));
        assert_eq!(budget.permit().limit(), SMALL, "all are in use");
        let mut pages: Vec<_> = permits
            .into_iter()
            .map(|permit| permit.attach(vec![7; 3]))
            .collect();
        assert_eq!(budget.permit().limit(), SMALL, "they wait to be sent");
        let mut page = pages.pop().expect("a page");
        let rest = page.split_off(2);
        drop(page);
        assert_eq!(budget.permit().limit(), SMALL, "a byte is left");
        drop(rest);
        assert_eq!(budget.permit().limit(), LARGE);
    }
}
