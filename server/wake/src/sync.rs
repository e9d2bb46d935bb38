//! The atomics: those of the standard library, or loom's.

#[cfg(not(feature = "loom"))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

#[cfg(not(feature = "loom"))]
pub(crate) use futures_util::task::AtomicWaker;
#[cfg(feature = "loom")]
pub(crate) use loom::{
    future::AtomicWaker,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

/// Keeps the waker of the task that is polled, unless the same one is kept already.
pub(crate) fn register(kept: &AtomicWaker, waker: &std::task::Waker) {
    #[cfg(not(feature = "loom"))]
    kept.register(waker);
    #[cfg(feature = "loom")]
    kept.register_by_ref(waker);
}
