//! Trace context propagation: requests carry the W3C `traceparent` of the code that makes them.

use std::future::Future;

tokio::task_local! {
    static TRACEPARENT: Option<String>;
}

/// Runs `work` with a W3C trace context. Requests that `work` makes in its own task carry it, and
/// the relay continues that trace in the spans that it exports. `None` or a malformed value is not
/// sent.
///
/// ```
/// # async fn example(agent: msg2agent::Agent, bob: msg2agent::Did) -> Result<(), msg2agent::Error> {
/// let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let send = agent.send(&bob, msg2agent::Content::text("hi"));
/// msg2agent::traced(Some(traceparent.into()), send).await?;
/// # Ok(()) }
/// ```
pub async fn traced<T>(traceparent: Option<String>, work: impl Future<Output = T>) -> T {
    TRACEPARENT.scope(traceparent, work).await
}

pub(crate) fn current() -> Option<String> {
    TRACEPARENT.try_with(Clone::clone).ok().flatten()
}
