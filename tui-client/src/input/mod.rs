//! Decodes the terminal's bytes into keys, pastes, mouse actions and focus changes.
//!
//! The types of keys (`KeyEvent`, `KeyCode`, `KeyModifiers`) are crossterm's; the parser is not. The
//! parser of crossterm 0.29 is private (`parse_event` in `event/sys/unix/parse.rs`), so it cannot be
//! given bytes. The public functions `event::read`, `poll` and `EventStream` read standard input
//! themselves, and they bring the following behaviour, none of which can be switched off:
//!
//! - A lone Esc byte at the end of a read is the key Esc, unless the read filled the buffer of 1,024
//!   bytes. An arrow key in two pieces then becomes Esc, `[` and `A`. Here the terminal is asked
//!   whether more was on its way ([`Decoder`]).
//! - A paste is not reported before its end mark (`parse_csi_bracketed_paste`): if the mark is lost,
//!   every later key is swallowed. Here a paste that stalls is shown as far as it came, and the user
//!   can end it.
//! - The source reads until the terminal would block (`event/source/unix/mio.rs`), but does not make
//!   the terminal non-blocking, because that would change it for the shell, too. After a part of a
//!   key it therefore blocks, and `EventStream` needs a thread for that. Here a read is made only if
//!   there is something to read, and no thread is needed.
//! - The end of the file is a read of 0 bytes, after which the source reads again, at once and
//!   forever; every error but `EAGAIN` and `EINTR` is ignored likewise. Here the input ends.
//! - Replies are dropped (the status that settles an Esc) or taken for keys (what follows `ESC ]`).
//! - The position of a key on an English keyboard, which kitty's protocol reports and by which Ctrl-C
//!   is Ctrl-C in Cyrillic, is ignored; and two Escs before an arrow, which mean Alt in some
//!   terminals, are read as the key Esc.
//!
//! Everything but `source` is pure.

mod decode;
mod escape;
mod source;
mod unmarked;

pub(crate) use self::{
    decode::{ASK_STATUS, Decoder, TerminalInput},
    source::bytes,
    unmarked::unmarked_paste,
};
