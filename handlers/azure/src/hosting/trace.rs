//! W3C trace context: which trace a call belongs to, and how whoever is called is told.
//!
//! A trace is taken over from whoever calls, and passed on with a span of our own. `tracestate`
//! is not: it is a stranger's text that we do not understand, and everyone whom we call would
//! get it.

use airlock_core::functions::is_traceparent;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_subscriber::registry::{LookupSpan as _, Registry};

use super::spans::Place;

/// Reads a `traceparent`. It comes from strangers.
pub(super) fn read(traceparent: &str) -> Option<SpanContext> {
    if !is_traceparent(traceparent) {
        return None;
    }
    let mut parts = traceparent.split('-').skip(1);
    let trace = TraceId::from_hex(parts.next()?).ok()?;
    let span = SpanId::from_hex(parts.next()?).ok()?;
    let flags = TraceFlags::new(u8::from_str_radix(parts.next()?, 16).ok()?);
    // Of the flags we know one, and pass on no other.
    Some(SpanContext::new(trace, span, flags & TraceFlags::SAMPLED, true, TraceState::NONE))
}

/// Writes a `traceparent`.
pub(super) fn written(context: &SpanContext) -> String {
    let (trace, span) = (context.trace_id(), context.span_id());
    format!("00-{trace}-{span}-{:02x}", context.trace_flags())
}

/// The first span of a trace of our own. `None` if the system has no randomness.
pub(super) fn root() -> Option<SpanContext> {
    let mut trace = [0; 16];
    getrandom::fill(&mut trace).ok()?;
    own(TraceId::from_bytes(trace), TraceFlags::SAMPLED)
}

/// A span below another.
pub(super) fn below(parent: &SpanContext) -> Option<SpanContext> {
    own(parent.trace_id(), parent.trace_flags())
}

/// The same span, below another.
pub(super) fn moved(span: &SpanContext, parent: &SpanContext) -> SpanContext {
    let (trace, flags) = (parent.trace_id(), parent.trace_flags());
    SpanContext::new(trace, span.span_id(), flags, false, TraceState::NONE)
}

fn own(trace: TraceId, flags: TraceFlags) -> Option<SpanContext> {
    let mut span = [0; 8];
    getrandom::fill(&mut span).ok()?;
    Some(SpanContext::new(trace, SpanId::from_bytes(span), flags, false, TraceState::NONE))
}

/// The `traceparent` of whatever is being done now, for whoever is called or told about it.
#[must_use]
pub fn current_traceparent() -> Option<String> {
    of(&Span::current())
}

/// The `traceparent` of a span of ours.
pub(crate) fn of(span: &Span) -> Option<String> {
    let found = span.with_subscriber(|(id, log)| {
        let span = log.downcast_ref::<Registry>()?.span(id)?;
        let extensions = span.extensions();
        extensions.get::<Place>().map(|place| written(place.context()))
    });
    found.flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// W3C Trace Context, section 3.2.
    const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_is_read_is_written_again() {
        assert_eq!(written(&read(GIVEN).unwrap()), GIVEN);
        let not_sampled = GIVEN.replace("-01", "-00");
        assert_eq!(written(&read(&not_sampled).unwrap()), not_sampled);
        assert_eq!(read("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"), None);
    }

    #[test]
    fn flags_that_we_do_not_know_are_not_passed_on() {
        let context = read(&GIVEN.replace("-01", "-ff")).unwrap();

        assert!(written(&context).ends_with("-01"));
    }

    #[test]
    fn a_span_below_another_is_of_its_trace_and_has_a_name_of_its_own() {
        let parent = read(&GIVEN.replace("-01", "-00")).unwrap();

        let child = below(&parent).unwrap();

        assert_eq!(child.trace_id(), parent.trace_id());
        assert_ne!(child.span_id(), parent.span_id());
        assert!(!child.is_sampled(), "whoever began the trace does not want it recorded");
        assert_ne!(root().unwrap().trace_id(), root().unwrap().trace_id());
        assert!(root().unwrap().is_sampled());
    }
}
