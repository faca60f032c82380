//! Spans: each of ours gets a place in a W3C trace, and is told to a collector if there is one.
//!
//! `tracing-opentelemetry` would fix a span's parent when the span begins. Which trace a queue's
//! message belongs to is known only once the message has been read, so a span here may move to
//! another trace while it lasts.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use opentelemetry::{
    InstrumentationScope, KeyValue, Value,
    trace::{Event as Told, SpanContext, SpanId, SpanKind, Status},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks, SpanProcessor};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    layer::Context,
    registry::{LookupSpan, SpanRef},
};

use super::trace;
use crate::clock;

/// The most events of one span that are told.
const MOST_EVENTS: usize = 128;

/// Whoever is told of spans that have ended, once there is somebody.
pub(super) type Listener = Arc<OnceLock<Box<dyn SpanProcessor>>>;

/// Places spans in traces.
pub(super) struct Spans {
    listener: Listener,
}

/// Where a span stands in its trace.
pub(super) struct Place {
    context: SpanContext,
    parent: Option<SpanContext>,
    /// What is told at its end, if anyone listens.
    told: Option<SoFar>,
}

/// What a span has to tell so far.
struct SoFar {
    begun: SystemTime,
    kind: SpanKind,
    attributes: Vec<KeyValue>,
    events: Vec<Told>,
    left_out: u32,
}

/// The fields of a span or an event.
#[derive(Default)]
struct Fields {
    /// Whether anyone listens to more than the parent.
    listens: bool,
    /// Field `traceparent`: the span's parent is elsewhere.
    parent: Option<SpanContext>,
    /// Field `otel.kind`.
    kind: Option<SpanKind>,
    message: String,
    others: Vec<KeyValue>,
}

impl Spans {
    pub(super) const fn new(listener: Listener) -> Self {
        Self { listener }
    }

    fn fields(&self) -> Fields {
        Fields { listens: self.listener.get().is_some(), ..Fields::default() }
    }
}

impl Place {
    pub(super) const fn context(&self) -> &SpanContext {
        &self.context
    }
}

impl<S> Layer<S> for Spans
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = self.fields();
        attributes.record(&mut fields);
        let parent = fields.parent.or_else(|| {
            let extensions = span.parent()?;
            let extensions = extensions.extensions();
            extensions.get::<Place>().map(|place| place.context.clone())
        });
        let place = parent.as_ref().map_or_else(trace::root, trace::below);
        let told = fields.listens.then(|| SoFar {
            begun: clock::system_time(),
            kind: fields.kind.unwrap_or(SpanKind::Internal),
            attributes: fields.others,
            events: Vec::new(),
            left_out: 0,
        });
        // Without randomness there is no trace, and the work goes on.
        if let Some(context) = place {
            span.extensions_mut().insert(Place { context, parent, told });
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = self.fields();
        values.record(&mut fields);
        let mut extensions = span.extensions_mut();
        let Some(place) = extensions.get_mut::<Place>() else { return };
        if let Some(parent) = fields.parent {
            place.context = trace::moved(&place.context, &parent);
            place.parent = Some(parent);
        }
        if let Some(told) = &mut place.told {
            told.attributes.append(&mut fields.others);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if self.listener.get().is_none() {
            return;
        }
        let Some(span) = context.event_span(event) else { return };
        let mut extensions = span.extensions_mut();
        let Some(told) = extensions.get_mut::<Place>().and_then(|place| place.told.as_mut()) else {
            return;
        };
        if told.events.len() == MOST_EVENTS {
            told.left_out += 1;
            return;
        }
        let mut fields = self.fields();
        event.record(&mut fields);
        fields.others.push(KeyValue::new("level", event.metadata().level().as_str()));
        told.events.push(Told::new(fields.message, clock::system_time(), fields.others, 0));
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let place = span.extensions_mut().remove::<Place>();
        if let (Some(place), Some(listener)) = (place, self.listener.get())
            && place.context.is_sampled()
            && let Some(data) = place.ended(&span)
        {
            listener.on_end(data);
        }
    }
}

impl Place {
    /// What is told of a span that has ended.
    fn ended<'a, S: LookupSpan<'a>>(self, span: &SpanRef<'a, S>) -> Option<SpanData> {
        let SoFar { begun, kind, attributes, events, left_out } = self.told?;
        let failed = attributes.iter().any(|attribute| attribute.key.as_str() == "error.type");
        let mut told = SpanEvents::default();
        (told.events, told.dropped_count) = (events, left_out);
        Some(SpanData {
            parent_span_id: self.parent.as_ref().map_or(SpanId::INVALID, SpanContext::span_id),
            parent_span_is_remote: self.parent.is_some_and(|parent| parent.is_remote()),
            span_context: self.context,
            span_kind: kind,
            name: name(span.name(), &attributes).into(),
            start_time: begun,
            end_time: clock::system_time(),
            attributes,
            dropped_attributes_count: 0,
            events: told,
            links: SpanLinks::default(),
            status: if failed { Status::error("") } else { Status::Unset },
            instrumentation_scope: InstrumentationScope::builder(span.metadata().target()).build(),
        })
    }
}

/// As OpenTelemetry names spans of HTTP: the method, and the route where there is one.
fn name(span: &str, attributes: &[KeyValue]) -> String {
    let text = |name: &str| {
        let found = attributes.iter().find(|attribute| attribute.key.as_str() == name)?;
        Some(found.value.as_str().into_owned())
    };
    match (text("http.request.method"), text("http.route")) {
        (Some(method), Some(route)) => format!("{method} {route}"),
        (Some(method), None) => method,
        (None, _) => span.to_owned(),
    }
}

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        if self.listens {
            self.others.push(KeyValue::new(field.name(), value));
        }
    }
}

impl Visit for Fields {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, i64::try_from(value).unwrap_or(i64::MAX));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match (field.name(), value) {
            ("traceparent", text) => self.parent = trace::read(text),
            ("otel.kind", "server") => self.kind = Some(SpanKind::Server),
            ("otel.kind", "client") => self.kind = Some(SpanKind::Client),
            ("message", text) => text.clone_into(&mut self.message),
            (_, text) => self.put(field, text.to_owned()),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.listens || field.name() == "traceparent" {
            self.record_str(field, &format!("{value:?}"));
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::{sync::Mutex, time::Duration};

    use opentelemetry::Context as OtelContext;
    use opentelemetry_sdk::{error::OTelSdkResult, trace::Span as SdkSpan};
    use tracing_subscriber::{Registry, layer::SubscriberExt as _};

    use super::*;
    use crate::hosting::trace;

    const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[derive(Clone, Debug, Default)]
    struct Heard(Arc<Mutex<Vec<SpanData>>>);

    impl SpanProcessor for Heard {
        fn on_start(&self, _: &mut SdkSpan, _: &OtelContext) {}

        fn on_end(&self, span: SpanData) {
            self.0.lock().unwrap().push(span);
        }

        fn force_flush(&self) -> OTelSdkResult {
            Ok(())
        }

        fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
            Ok(())
        }
    }

    fn heard(act: impl FnOnce()) -> Vec<SpanData> {
        let heard = Heard::default();
        let listener = Listener::default();
        listener.set(Box::new(heard.clone())).unwrap();
        let log = Registry::default().with(Spans::new(listener));
        tracing::subscriber::with_default(log, act);
        heard.0.lock().unwrap().clone()
    }

    #[test]
    fn spans_of_one_request_are_one_trace_below_the_callers() {
        let spans = heard(|| {
            let outer = tracing::info_span!(
                "request",
                otel.kind = "server",
                http.request.method = "POST",
                http.route = "/api/requests",
                http.response.status_code = tracing::field::Empty,
                traceparent = GIVEN
            );
            let _outer = outer.enter();
            drop(tracing::info_span!("call", otel.kind = "client").entered());
            tracing::info!(count = 3, "two\nlines");
            outer.record("http.response.status_code", 202);
        });

        let [inner, outer] = spans.as_slice() else { panic!("{spans:?}") };
        let given = trace::read(GIVEN).unwrap();
        assert_eq!(outer.span_context.trace_id(), given.trace_id());
        assert_eq!(outer.parent_span_id, given.span_id());
        assert!(outer.parent_span_is_remote && !inner.parent_span_is_remote);
        assert_eq!(inner.span_context.trace_id(), given.trace_id());
        assert_eq!(inner.parent_span_id, outer.span_context.span_id());
        assert_eq!(outer.name, "POST /api/requests");
        assert_eq!((&outer.span_kind, &inner.span_kind), (&SpanKind::Server, &SpanKind::Client));
        assert_eq!(outer.events.events[0].name, "two\nlines");
        assert!(outer.attributes.contains(&KeyValue::new("http.response.status_code", 202)));
        assert_eq!(outer.status, Status::Unset);
    }

    #[test]
    fn a_span_moves_to_the_trace_of_the_message_that_it_turns_out_to_be_about() {
        let message = GIVEN.replace("b7ad6b7169203331", "00f067aa0ba902b7");
        let spans = heard(|| {
            let span = tracing::info_span!("request", traceparent = tracing::field::Empty);
            let _span = span.enter();
            let before = trace::current_traceparent().unwrap();
            span.record("traceparent", message.as_str());
            let after = trace::current_traceparent().unwrap();
            assert_ne!(before[3..35], after[3..35], "another trace");
            assert_eq!(before[36..52], after[36..52], "the same span");
        });

        assert_eq!(spans[0].parent_span_id.to_string(), "00f067aa0ba902b7");
        assert_eq!(spans[0].span_context.trace_id(), trace::read(GIVEN).unwrap().trace_id());
    }

    #[test]
    fn what_the_caller_does_not_want_recorded_is_not_told() {
        let not_sampled = GIVEN.replace("-01", "-00");

        let spans = heard(|| {
            let _span = tracing::info_span!("request", traceparent = not_sampled).entered();
            assert!(trace::current_traceparent().unwrap().ends_with("-00"));
        });

        assert!(spans.is_empty());
    }

    #[test]
    fn a_trace_that_is_none_begins_one_of_our_own() {
        let spans = heard(|| {
            drop(tracing::info_span!("request", traceparent = "nina@contoso.example").entered());
        });

        assert_eq!(spans[0].parent_span_id, SpanId::INVALID);
        assert!(spans[0].attributes.is_empty());
    }

    #[test]
    fn a_failed_call_is_an_error_and_a_span_keeps_only_so_many_events() {
        let spans = heard(|| {
            let _span = tracing::info_span!("call", error.type = "timeout").entered();
            for _ in 0..MOST_EVENTS + 2 {
                tracing::warn!("again");
            }
        });

        assert_eq!(spans[0].status, Status::error(""));
        assert_eq!(spans[0].events.events.len(), MOST_EVENTS);
        assert_eq!(spans[0].events.dropped_count, 2);
    }
}
