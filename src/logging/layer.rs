//! The tracing layer that makes a record, one line, of each event.

use std::{
    fmt::{self, Write as _},
    sync::Arc,
    time::SystemTime,
};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{
    layer::{Context, Layer},
    registry::LookupSpan,
};

use super::{
    CALL, escape,
    limit::Limit,
    line::{LineOrigin, LineRecord},
};

/// The longest value in a line, in bytes. It is limited because peers send some of what is logged.
const MAX_VALUE: usize = 4096;

/// A layer that passes each event on as a record.
pub(super) struct LineLayer<E> {
    clock: fn() -> SystemTime,
    /// The limit on diagnostics.
    limit: Option<Limit>,
    emit: E,
}

impl<E: Fn(LineRecord)> LineLayer<E> {
    pub(super) const fn new(clock: fn() -> SystemTime, limit: Option<Limit>, emit: E) -> Self {
        Self { clock, limit, emit }
    }

    /// Whether to write a line for this event. First writes how many diagnostics were suppressed,
    /// if that is due.
    fn admit(&self, event: &Event<'_>, now: SystemTime) -> bool {
        let Some(limit) = &self.limit else {
            return true;
        };
        if let Some(suppressed) = limit.unreported(now) {
            (self.emit)(LineRecord {
                time: now,
                origin: LineOrigin::default(),
                body: format!(
                    "log warn target=chitty_chat::logging message=\"there were more diagnostics \
                     in a second than are written\" suppressed={suppressed}"
                ),
            });
        }
        let metadata = event.metadata();
        metadata.target() == CALL || limit.admit(metadata.callsite(), now)
    }
}

impl<S, E> Layer<S> for LineLayer<E>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    E: Fn(LineRecord) + 'static,
{
    /// Determines once whose lines this span's are, and passes it on to the spans within, so that
    /// an event has to read one span only.
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(id) else { return };
        let mut origin = span
            .parent()
            .and_then(|parent| parent.extensions().get::<LineOrigin>().cloned())
            .unwrap_or_default();
        if attributes.metadata().target() == CALL {
            attributes.record(&mut OriginVisitor(&mut origin));
        }
        if origin.who.is_some() || origin.run.is_some() {
            span.extensions_mut().insert(origin);
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let now = (self.clock)();
        if !self.admit(event, now) {
            return;
        }
        let origin = ctx
            .event_span(event)
            .and_then(|span| span.extensions().get::<LineOrigin>().cloned())
            .unwrap_or_default();
        (self.emit)(LineRecord {
            time: now,
            origin,
            body: body(event),
        });
    }
}

/// Initial capacity for a line's fields in bytes; most are shorter.
const FIELDS: usize = 256;

/// The body of a line: from the call to the last field.
fn body(event: &Event<'_>) -> String {
    let metadata = event.metadata();
    let is_call = metadata.target() == CALL;
    let mut fields = FieldVisitor {
        is_call,
        call: String::with_capacity(16),
        step: String::with_capacity(16),
        fields: String::with_capacity(FIELDS),
    };
    if !is_call {
        fields.call.push_str("log");
        fields.step.push_str(level(*metadata.level()));
        fields.push_key("target");
        escape::push_value(&mut fields.fields, metadata.target());
    }
    event.record(&mut fields);
    let head = fields.call.len() + " ".len() + fields.step.len();
    let mut body = String::with_capacity(head + fields.fields.len());
    escape::push_word(&mut body, &fields.call);
    body.push(' ');
    escape::push_word(&mut body, &fields.step);
    body.push_str(&fields.fields);
    body
}

const fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

struct FieldVisitor {
    is_call: bool,
    call: String,
    step: String,
    /// The fields, each with a space before it.
    fields: String,
}

impl FieldVisitor {
    fn push_key(&mut self, key: &str) {
        self.fields.push(' ');
        escape::push_word(&mut self.fields, key.strip_prefix("r#").unwrap_or(key));
        self.fields.push('=');
    }

    /// Appends a value, cut if it is too long.
    fn push_text(&mut self, value: &str) {
        if value.len() <= MAX_VALUE {
            return escape::push_value(&mut self.fields, value);
        }
        // Cut between two characters, and not within one.
        let end = (0..=MAX_VALUE)
            .rfind(|&end| value.is_char_boundary(end))
            .unwrap_or(0);
        let cut = format!("{}…", &value[..end]);
        escape::push_value(&mut self.fields, &cut);
    }

    /// Appends a value that needs no quotes.
    fn push_bare(&mut self, field: &Field, value: impl fmt::Display) {
        self.push_key(field.name());
        // Writing to a string cannot fail.
        let _ = write!(self.fields, "{value}");
    }
}

impl Visit for FieldVisitor {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "call" if self.is_call => value.clone_into(&mut self.call),
            "step" if self.is_call => value.clone_into(&mut self.step),
            name => {
                self.push_key(name);
                self.push_text(value);
            }
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push_bare(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push_bare(field, value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.push_bare(field, value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.push_bare(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push_bare(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push_bare(field, value);
    }
}

struct OriginVisitor<'a>(&'a mut LineOrigin);

impl Visit for OriginVisitor<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "who" => self.0.who = Some(escape::encode(value).into()),
            "run" => self.0.run = Some(word(value)),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// The text as one word of a line's head.
pub(super) fn word(text: &str) -> Arc<str> {
    let mut word = String::new();
    escape::push_word(&mut word, text);
    word.into()
}
