//! The terminal's bytes, taken for what they are: keys, pastes, focus.
//!
//! Pure, and without a thread. crossterm's own reader blocks within an unfinished sequence, takes
//! a lone Esc byte for the key before the rest of an arrow key has come, waits for ever for a
//! paste's lost end, and spins when the terminal is gone; here each of these has an end.

mod decode;
mod escape;
mod source;

pub(crate) use self::{
    decode::{ASK_STATUS, Decoder, Typed},
    source::bytes,
};
