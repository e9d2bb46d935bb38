//! The lines of a log file: written from records, and parsed.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use jiff::{Timestamp, fmt::temporal::DateTimePrinter};

use super::escape;

/// Whose line it is if it is not the process's own: several sessions can share a process.
#[derive(Clone, Debug, Default)]
pub(super) struct LineOrigin {
    /// The name, encoded as one word.
    pub(super) who: Option<Arc<str>>,
    /// The run id, one word.
    pub(super) run: Option<Arc<str>>,
}

/// An event that becomes a line once it is known whose log it is.
#[derive(Debug)]
pub(super) struct LineRecord {
    pub(super) time: SystemTime,
    pub(super) origin: LineOrigin,
    /// The text from the call to the last field.
    pub(super) body: String,
}

impl LineRecord {
    /// The line with its newline. `who` and `run` are the process's own, encoded as words.
    pub(super) fn render(&self, who: &str, run: &str) -> String {
        let who = self.origin.who.as_deref().unwrap_or(who);
        let run = self.origin.run.as_deref().unwrap_or(run);
        let mut line = String::with_capacity(HEAD + who.len() + run.len() + self.body.len());
        push_time(&mut line, self.time);
        for part in [" ", who, " run=", run, " ", &self.body, "\n"] {
            line.push_str(part);
        }
        line
    }
}

/// Capacity in bytes for the fixed parts of a line's head.
const HEAD: usize = 48;

static TIMES: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

/// Appends a time in RFC 3339, UTC, with microseconds. A time that has no such form becomes the
/// Unix epoch.
pub(super) fn push_time(out: &mut String, time: SystemTime) {
    let after_epoch = time.max(UNIX_EPOCH);
    let time = Timestamp::try_from(after_epoch).unwrap_or(Timestamp::UNIX_EPOCH);
    // Writing to a string cannot fail.
    let _ = TIMES.print_timestamp(&time, out);
}

/// A parsed line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The wall clock of the process, to the microsecond.
    pub time: SystemTime,
    /// The participant's name, or `server`; decoded.
    pub who: String,
    /// Eight hexadecimal digits, the same for all lines of one run of the process.
    pub run: String,
    /// The call, such as `Publish`; `log` for a diagnostic.
    pub call: String,
    /// The step of the call, such as `sent`; the level of a diagnostic.
    pub step: String,
    /// The fields in the order of the line, without quoting.
    pub fields: Vec<(String, String)>,
}

impl Line {
    /// The first field with this key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.fields
            .iter()
            .find_map(|(have, value)| (have == key).then_some(value.as_str()))
    }
}

/// The head of a line; see [`scan_line`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineHead<'a> {
    /// The wall clock of the process, to the microsecond.
    pub time: SystemTime,
    /// The name as it is written, percent-encoded; [`decode_who`] decodes it.
    pub who: &'a str,
    /// The run id, eight hexadecimal digits.
    pub run: &'a str,
    /// The call, such as `Publish`.
    pub call: &'a str,
    /// The step of the call, such as `sent`.
    pub step: &'a str,
}

/// Parses one line, with or without its newline, which may be that of Windows. `None` if it is not
/// a line, such as a torn one.
pub fn parse_line(line: &str) -> Option<Line> {
    let mut fields = Vec::new();
    let head = scan_line(line, |key, value| {
        fields.push((key.to_owned(), value.into_owned()));
    })?;
    Some(Line {
        time: head.time,
        who: decode_who(head.who)?,
        run: head.run.to_owned(),
        call: head.call.to_owned(),
        step: head.step.to_owned(),
        fields,
    })
}

/// Parses one line like [`parse_line`], but passes each field to `field` without copying it, for
/// programs that read many lines. If it returns `None`, the fields so far are meaningless.
pub fn scan_line<'a>(
    line: &'a str,
    mut field: impl FnMut(&'a str, Cow<'a, str>),
) -> Option<LineHead<'a>> {
    let line = line.strip_suffix('\n').unwrap_or(line);
    // No value contains it, because it is escaped. Editors and version control add it at the end of
    // lines.
    let line = line.strip_suffix('\r').unwrap_or(line);
    let (time, rest) = line.split_once(' ')?;
    let (who, rest) = rest.split_once(' ')?;
    let (run, rest) = take_word(rest.strip_prefix("run=")?)?;
    let (call, rest) = take_word(rest.strip_prefix(' ')?)?;
    let (step, mut rest) = take_word(rest.strip_prefix(' ')?)?;
    let time = parse_time(time)?;
    while !rest.is_empty() {
        let (key, after) = take_word(rest.strip_prefix(' ')?)?;
        let (value, after) = escape::take_value(after.strip_prefix('=')?)?;
        field(key, value);
        rest = after;
    }
    Some(LineHead {
        time,
        who,
        run,
        call,
        step,
    })
}

fn take_word(rest: &str) -> Option<(&str, &str)> {
    let end = rest.find(|c| !escape::is_word(c)).unwrap_or(rest.len());
    (end > 0).then(|| rest.split_at(end))
}

/// Decodes the percent-encoded name at the head of a line.
pub fn decode_who(word: &str) -> Option<String> {
    let plain = !word.is_empty() && word.chars().all(escape::is_bare);
    plain.then(|| escape::decode(word)).flatten()
}

/// Parses a time. Only the one form that is written is accepted, of the many that RFC 3339 allows.
fn parse_time(text: &str) -> Option<SystemTime> {
    const FORM: &[u8] = b"0000-00-00T00:00:00.000000Z";
    let has_form = text.len() == FORM.len()
        && text.bytes().zip(FORM).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            mark => byte == *mark,
        });
    if !has_form {
        return None;
    }
    text.parse::<Timestamp>().ok().map(SystemTime::from)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn time(time: SystemTime) -> String {
        let mut text = String::new();
        push_time(&mut text, time);
        text
    }

    const EXAMPLE: &str = "2026-11-23T01:02:03.123456Z Ada%20L run=3f9a21c0 Broadcast received \
                           lamport=11 position=4 kind=message author=bob text=\"hi \\\"there\\\"\" \
                           clock=12\n";

    #[test]
    fn the_example_is_read() {
        let line = parse_line(EXAMPLE).unwrap();
        assert_eq!(line.who, "Ada L");
        assert_eq!(line.run, "3f9a21c0");
        assert_eq!(
            (line.call.as_str(), line.step.as_str()),
            ("Broadcast", "received")
        );
        assert_eq!(line.fields.len(), 6);
        assert_eq!(line.get("text"), Some("hi \"there\""));
        assert_eq!(line.get("clock"), Some("12"));
        assert_eq!(line.get("none"), None);
        assert_eq!(time(line.time), "2026-11-23T01:02:03.123456Z");
    }

    #[test]
    fn a_line_may_end_as_on_windows() {
        let line = parse_line(EXAMPLE);
        assert!(line.is_some());
        let ends = EXAMPLE.replace('\n', "\r\n");
        assert_eq!(parse_line(&ends), line);
        assert_eq!(parse_line(ends.trim_end_matches('\n')), line);
        assert_eq!(parse_line(&EXAMPLE.replace(' ', " \r")), None);
    }

    #[test]
    fn a_torn_line_is_none() {
        let whole = EXAMPLE.trim_end();
        let complete: Vec<_> = (0..whole.len())
            .filter(|&end| whole.is_char_boundary(end) && parse_line(&whole[..end]).is_some())
            .map(|end| &whole[..end])
            .collect();
        // If it is torn inside a bare value or after a field, nothing shows it.
        for torn in complete {
            let next = &whole[torn.len()..];
            let inside_bare = next.starts_with(escape::is_word) && !torn.ends_with('"');
            assert!(next.starts_with(' ') || inside_bare, "{torn}");
        }
        for other in [
            "",
            "\n",
            "hello",
            "a b run=c d e",
            "2026-11-23T01:02:03Z a run=b c d",
        ] {
            assert_eq!(parse_line(other), None, "{other:?}");
        }
    }

    #[test]
    fn times_out_of_range_are_written_all_the_same() {
        assert_eq!(
            time(UNIX_EPOCH - Duration::from_secs(1)),
            "1970-01-01T00:00:00.000000Z"
        );
        let far = UNIX_EPOCH + Duration::from_secs(1 << 60);
        assert_eq!(time(far), "1970-01-01T00:00:00.000000Z");
    }

    proptest! {
        #[test]
        fn parsing_survives_anything(
            line in any::<String>(),
            cut in 0..EXAMPLE.len(),
            put in any::<String>(),
        ) {
            let _ = parse_line(&line);
            let mutated = format!("{}{put}{}", &EXAMPLE[..cut], &EXAMPLE[cut..]);
            if let Some(line) = parse_line(&mutated) {
                prop_assert!(!line.who.is_empty());
            }
        }

        /// Any bytes, as a file has them: what can be read is written again, and reads the same.
        #[test]
        fn what_is_read_is_written_again(
            bytes in prop::collection::vec(any::<u8>(), 0..20),
            at in any::<prop::sample::Index>(),
            count in 0..30_usize,
        ) {
            let mut line = EXAMPLE.as_bytes().to_vec();
            let at = at.index(line.len());
            line.splice(at..EXAMPLE.len().min(at + count), bytes);
            let line = String::from_utf8_lossy(&line);
            let mut fields = Vec::new();
            let head = scan_line(&line, |key, value| fields.push((key.to_owned(), value.into_owned())));
            let Some(read) = parse_line(&line) else {
                let who = head.and_then(|head| decode_who(head.who));
                prop_assert_eq!(who, None);
                return Ok(());
            };
            prop_assert_eq!(head.map(|head| (head.run, head.call, head.step)),
                Some((read.run.as_str(), read.call.as_str(), read.step.as_str())));
            prop_assert_eq!(&fields, &read.fields);
            let mut body = format!("{} {}", read.call, read.step);
            for (key, value) in &read.fields {
                body.extend([" ", key, "="]);
                escape::push_value(&mut body, value);
            }
            let origin = LineOrigin::default();
            let again = LineRecord { time: read.time, origin, body };
            let again = again.render(&escape::encode(&read.who), &read.run);
            prop_assert_eq!(parse_line(&again), Some(read));
        }

        #[test]
        fn times_round_trip(micros in 0..253_402_300_799_000_000_u64) {
            let at = UNIX_EPOCH + Duration::from_micros(micros);
            prop_assert_eq!(parse_time(&time(at)), Some(at));
        }
    }
}
