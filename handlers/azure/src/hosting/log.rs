//! The log: one JSON record a line on stdout, which the Functions host passes on.
//!
//! Not on stderr: the host takes every line there for an error.

use std::{
    error::Error,
    fmt,
    io::{self, Write as _},
};

use airlock_core::identity::App;
use serde_json::{Map, Value, json};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::SetGlobalDefaultError,
};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::ParseError,
    layer::{Context, SubscriberExt as _},
    registry::{LookupSpan, Registry},
};

use crate::clock;

/// The log could not be started.
#[derive(Debug, thiserror::Error)]
pub enum NotStarted {
    /// The filter is not one.
    #[error("filter not understood")]
    Filter(#[from] ParseError),
    /// The process logs elsewhere already.
    #[error("another log was started before")]
    Taken(#[from] SetGlobalDefaultError),
}

/// Sends everything that passes the filter to stdout.
pub(super) fn start(app: App, filter: &str) -> Result<(), NotStarted> {
    let lines = JsonLines { app, write: to_stdout };
    let log = Registry::default().with(EnvFilter::try_new(filter)?).with(lines);
    tracing::subscriber::set_global_default(log)?;
    Ok(())
}

/// An error with all its sources, for a log: `Display` alone often hides the cause. What a
/// source says that was said before is left out.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut told = error.to_string();
    for source in std::iter::successors(error.source(), |&error| error.source()) {
        let text = source.to_string();
        if !told.contains(&text) {
            told.push_str(": ");
            told.push_str(&text);
        }
    }
    told
}

fn to_stdout(line: &str) {
    // Nobody is left to be told if this fails: the host that reads the other end has gone, and
    // kills this process next.
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// Writes events as lines of JSON.
struct JsonLines<W> {
    app: App,
    write: W,
}

/// The W3C trace context of a span.
struct Trace(String);

/// Finds a span's trace context among its fields.
#[derive(Default)]
struct FindTrace(Option<String>);

impl Visit for FindTrace {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "traceparent" {
            self.0 = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

/// An event's message and fields.
#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        self.others.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put(field, chain(value).into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            self.put(field, text.into());
        }
    }
}

impl<S, W> Layer<S> for JsonLines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Fn(&str) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut found = FindTrace::default();
        attributes.record(&mut found);
        keep(found, id, &context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let mut found = FindTrace::default();
        values.record(&mut found);
        keep(found, id, &context);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let mut record = json!({
            "time": clock::now_text(),
            "level": metadata.level().as_str(),
            "app": self.app,
            "target": metadata.target(),
            "message": fields.message,
            "fields": fields.others,
        });
        let trace = context.event_scope(event).and_then(|mut scope| {
            scope.find_map(|span| span.extensions().get::<Trace>().map(|trace| trace.0.clone()))
        });
        if let Some(trace) = trace {
            record["traceparent"] = trace.into();
        }
        // As JSON a record is one line, whatever stands in it.
        (self.write)(&record.to_string());
    }
}

fn keep<S>(found: FindTrace, id: &Id, context: &Context<'_, S>)
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    if let (Some(trace), Some(span)) = (found.0, context.span(id)) {
        span.extensions_mut().replace(Trace(trace));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn logged(act: impl FnOnce()) -> Vec<Value> {
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&lines);
        let write = move |line: &str| kept.lock().unwrap().push(line.to_owned());
        let log = Registry::default().with(JsonLines { app: App::Intake, write });

        tracing::subscriber::with_default(log, act);

        let lines = lines.lock().unwrap();
        assert!(lines.iter().all(|line| !line.contains('\n')));
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_record_is_one_line_with_its_fields() {
        let mut records = logged(|| tracing::warn!(count = 3, name = "a\nb", "two\nlines"));

        let time = records[0]["time"].take();
        assert!(time.as_str().unwrap().ends_with('Z'));
        insta::assert_json_snapshot!(records[0], @r#"
        {
          "time": null,
          "level": "WARN",
          "app": "intake",
          "target": "airlock_azure::hosting::log::tests",
          "message": "two\nlines",
          "fields": {
            "count": 3,
            "name": "a\nb"
          }
        }
        "#);
    }

    #[test]
    fn a_record_names_the_trace_of_the_nearest_span_that_has_one() {
        let records = logged(|| {
            let outer = tracing::info_span!("request", traceparent = tracing::field::Empty);
            let _outer = outer.enter();
            tracing::info!("before");
            outer.record("traceparent", "00-aa-bb-01");
            let _inner = tracing::info_span!("inner").entered();
            tracing::info!("after");
        });

        assert_eq!(records[0].get("traceparent"), None);
        assert_eq!(records[1]["traceparent"], "00-aa-bb-01");
    }

    #[test]
    fn an_error_is_told_with_its_sources() {
        #[derive(Debug, thiserror::Error)]
        #[error("claim not committed")]
        struct Outer(#[source] io::Error);

        let error = Outer(io::Error::other("connection reset"));

        assert_eq!(chain(&error), "claim not committed: connection reset");
        let repeating = Outer(io::Error::other("claim not committed"));
        assert_eq!(chain(&repeating), "claim not committed");
        let records =
            logged(|| tracing::error!(error = &error as &(dyn Error + 'static), "failed"));
        assert_eq!(records[0]["fields"]["error"], "claim not committed: connection reset");
    }
}
