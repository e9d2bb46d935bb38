//! Pastes that the terminal does not mark.
//!
//! The Linux console and serial terminals do not know bracketed paste, and GNU screen pastes without
//! it (`C-a ]`). Pasted lines arrive there as if they were typed, each with an Enter that would send
//! it. Nobody types so fast that an Enter and characters after it arrive in one read, except while
//! the client or the link is busy. In doubt nothing is sent: on such a terminal the read is a paste,
//! which the user sends with an Enter of its own. On others, whose pastes are marked, it was typed.

/// How much of a read, from its start, is such a paste, in bytes; 0 if it was typed.
///
/// Only text at the start counts: what follows an Esc may be a key, or a paste that is marked.
pub(crate) fn unmarked_paste(read: &[u8]) -> usize {
    let is_text = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~' | 0x80..);
    let text = read
        .iter()
        .position(|byte| !is_text(byte))
        .unwrap_or(read.len());
    // A character that is not complete yet stays for the next read.
    let text = match std::str::from_utf8(&read[..text]) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        Ok(_) | Err(_) => text,
    };
    let mut after_break = read[..text]
        .iter()
        .skip_while(|byte| !matches!(byte, b'\r' | b'\n'));
    if after_break.any(|byte| *byte > b' ') {
        text
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_arrive_at_once_are_a_paste() {
        for (read, pasted) in [
            (&b"one\rtwo"[..], "one\rtwo"),
            (b"one\ntwo\n", "one\ntwo\n"),
            (b"one\r\n\r\n\ttwo\r", "one\r\n\r\n\ttwo\r"),
            (b"\rtwo", "\rtwo"),
            ("å\r日本\x1b[A".as_bytes(), "å\r日本"),
            (b"one\rtwo\xe6\x97", "one\rtwo"),
        ] {
            let length = unmarked_paste(read);
            assert_eq!(&read[..length], pasted.as_bytes(), "{read:?}");
        }
    }

    #[test]
    fn what_people_type_is_none() {
        for read in [
            &b""[..],
            b"x",
            b"\r",
            b"one\r",
            b"one\r\r",
            b"one\r ",
            b"one \xe6",
            b"\x1b[200~one\rtwo\x1b[201~",
            b"\x1b\rone\rtwo",
            b"one\r\x1b[A",
            b"\x15/quit\rtwo",
        ] {
            assert_eq!(unmarked_paste(read), 0, "{read:?}");
        }
    }
}
