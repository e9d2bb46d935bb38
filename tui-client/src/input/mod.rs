//! The terminal's bytes, taken for what they are: keys, pastes, focus.
//!
//! What a key is (`KeyEvent`, `KeyCode`, `KeyModifiers`) is crossterm's. How it is read is not: this
//! was compared with crossterm 0.29, whose parser is private to it (`parse_event` in
//! `event/sys/unix/parse.rs`), so that bytes cannot be given to it. The way in is `event::read`,
//! `poll` and `EventStream`, which read standard input themselves, and with them come these, none of
//! which can be switched off:
//!
//! - A lone Esc byte at the end of a read is the key Esc, unless the read has filled the buffer of 1,024
//!   bytes. An arrow key in two pieces is Esc, `[` and `A` then. Here the terminal is asked whether more
//!   was on its way ([`Decoder`]).
//! - A paste is nothing until its end mark has come (`parse_csi_bracketed_paste`): where the mark is
//!   lost, every key after it is swallowed. Here a paste that stalls is shown as far as it came, and can
//!   be ended.
//! - The source reads again until the terminal would block (`event/source/unix/mio.rs`). It does not make
//!   the terminal non-blocking, which would be to make it so for the shell, too; so after a piece of a
//!   key it blocks, and `EventStream` needs a thread for that. Here a read is made only when there is
//!   something to read, and none by a thread.
//! - The end of the file is a read of 0 bytes, after which the source reads again, at once and for ever;
//!   any other error than `EAGAIN` and `EINTR` is passed over likewise. Here the end ends.
//! - Replies are dropped (the status that settles an Esc) or taken for keys (what follows `ESC ]`).
//! - Of a key as kitty's protocol reports it, its place on an English keyboard is not read, by which
//!   Ctrl-C is Ctrl-C in Cyrillic; and two Escs before an arrow, Alt in some terminals, are the key Esc.
//!
//! All of it is pure but for `source`, and without a thread.

mod decode;
mod escape;
mod source;

pub(crate) use self::{
    decode::{ASK_STATUS, Decoder, TerminalInput},
    source::bytes,
};
