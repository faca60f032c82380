//! The log: one JSON record a line on stdout, which the Functions host passes on.
//!
//! Not on stderr: the host takes every line there for an error. A record holds digests and ids,
//! and words of ours: types of secrets and of personal data print nothing. What libraries say
//! below a warning is not heard, whatever the filter asks for: there they quote requests.

use std::{
    error::Error,
    fmt,
    io::{self, Write as _},
};

use airlock_core::identity::App;
use serde_json::{Map, Value, json};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    subscriber::SetGlobalDefaultError,
};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt as _, ParseError, filter_fn},
    layer::{Context, Filter, SubscriberExt as _},
    registry::{LookupSpan, Registry},
};

use super::{
    panics,
    spans::{Listener, Place, Spans},
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

/// Sends everything that passes the filter to stdout, and spans to the listener.
pub(super) fn start(app: App, filter: &str, listener: Listener) -> Result<(), NotStarted> {
    let told = JsonLines { app, write: to_stdout }.and_then(Spans::new(listener));
    let log = Registry::default().with(told.with_filter(heard(filter)?));
    tracing::subscriber::set_global_default(log)?;
    panics::tell();
    Ok(())
}

/// What is heard: what the filter asks for, of libraries only what is wrong. And our own spans,
/// always: without them nobody whom we call would be told of the trace.
fn heard<S>(filter: &str) -> Result<impl Filter<S> + use<S>, ParseError>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let asked_for = EnvFilter::try_new(filter)?;
    let ours_or_wrong = filter_fn(|metadata| is_ours(metadata) || *metadata.level() <= Level::WARN);
    let our_spans = filter_fn(|metadata| metadata.is_span() && is_ours(metadata));
    Ok(asked_for.and(ours_or_wrong).or(our_spans))
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("airlock_")
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
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let mut record = json!({
            "timestamp": clock::now_text(),
            "level": metadata.level().as_str(),
            "app": self.app,
            "target": metadata.target(),
            "message": fields.message,
            "fields": fields.others,
        });
        if let Some(span) = context.event_span(event)
            && let Some(place) = span.extensions().get::<Place>()
        {
            record["trace_id"] = place.context().trace_id().to_string().into();
            record["span_id"] = place.context().span_id().to_string().into();
        }
        // As JSON a record is one line, whatever stands in it.
        (self.write)(&record.to_string());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn logged(filter: &str, act: impl FnOnce()) -> Vec<Value> {
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&lines);
        let write = move |line: &str| kept.lock().unwrap().push(line.to_owned());
        let told = JsonLines { app: App::Intake, write }.and_then(Spans::new(Listener::default()));
        let log = Registry::default().with(told.with_filter(heard(filter).unwrap()));

        tracing::subscriber::with_default(log, act);

        let lines = lines.lock().unwrap();
        assert!(lines.iter().all(|line| !line.contains('\n')));
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_record_is_one_line_with_its_fields() {
        let mut records = logged("info", || tracing::warn!(count = 3, name = "a\nb", "two\nlines"));

        let time = records[0]["timestamp"].take();
        assert!(time.as_str().unwrap().ends_with('Z'));
        insta::assert_json_snapshot!(records[0], @r#"
        {
          "timestamp": null,
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
    fn a_record_names_its_trace_and_its_span_even_where_the_filter_wants_no_spans() {
        let given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

        let records = logged("warn", || {
            tracing::warn!("outside");
            let outer = tracing::info_span!("request", traceparent = given);
            let _outer = outer.enter();
            tracing::warn!("outer");
            let _inner = tracing::info_span!("call").entered();
            tracing::info!("not asked for");
            tracing::warn!("inner");
        });

        assert_eq!(records.len(), 3);
        assert_eq!(records[0].get("trace_id"), None);
        for record in &records[1..] {
            assert_eq!(record["trace_id"], "0af7651916cd43dd8448eb211c80319c");
        }
        assert_ne!(records[1]["span_id"], "b7ad6b7169203331", "our span is below the caller's");
        assert_ne!(records[1]["span_id"], records[2]["span_id"]);
    }

    #[test]
    fn libraries_are_heard_only_where_something_is_wrong() {
        let records = logged("trace", || {
            tracing::debug!(target: "h2::codec", "authorization: Bearer");
            tracing::info!(target: "azure_core", "GET https://kv.example");
            tracing::warn!(target: "azure_core", "slow");
            tracing::trace!(target: "airlock_core::policy", "ours");
        });

        let messages: Vec<&Value> = records.iter().map(|record| &record["message"]).collect();
        assert_eq!(messages, ["slow", "ours"]);
    }

    #[test]
    fn a_panic_is_a_record_that_quotes_nothing_but_the_source() {
        let spoken = |spoken: String| move || assert!(spoken.is_empty(), "it said {spoken}");
        let records = logged("info", || {
            panics::tell();
            drop(std::panic::catch_unwind(|| panic!("a word of ours")));
            drop(std::panic::catch_unwind(spoken("hunter2\nnina@contoso.example".to_owned())));
            drop(std::panic::take_hook());
        });

        assert!(records.iter().all(|record| record["message"] == "panicked"));
        let told: Vec<&Value> = records.iter().map(|record| &record["fields"]["what"]).collect();
        assert_eq!(told, ["a word of ours", ""]);
        assert!(records[1]["fields"]["at"].as_str().unwrap().contains("log.rs:"));
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
            logged("info", || tracing::error!(error = &error as &(dyn Error + 'static), "failed"));
        assert_eq!(records[0]["fields"]["error"], "claim not committed: connection reset");
    }
}
