//! A panic as a line of the log.

/// Lets every panic be told as one record of the log, in the trace in which it happened.
///
/// The standard hook writes to stderr, in lines that are no JSON, and quotes whatever the panic
/// was formatted with.
pub(super) fn tell() {
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        // Only what stands in the source as it is: what was formatted can quote data.
        let what = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or_default();
        tracing::error!(at, what, "panicked");
    }));
}
