//! The trace that requests to the relay belong to, for those who export traces.

use std::future::Future;

tokio::task_local! {
    static TRACEPARENT: Option<String>;
}

/// Requests that `work` makes, in its own task, name this W3C trace context to the relay, which then continues the trace in what it
/// exports. The relay learns nothing else by it. Absent or malformed, nothing is named.
pub async fn traced<T>(traceparent: Option<String>, work: impl Future<Output = T>) -> T {
    TRACEPARENT.scope(traceparent, work).await
}

pub(crate) fn current() -> Option<String> {
    TRACEPARENT.try_with(Clone::clone).ok().flatten()
}
