//! Writes a stream of events as Server-Sent Events.
//!
//! Nothing is buffered here: an event is asked for when the client has taken the one before. A
//! stream ends after its last event, with an error, when the service ends it, after
//! [`STREAM_TTL`], or when the process shuts down. A client that wants more subscribes again.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::Response;
use daemon::Shutdown;
use futures::StreamExt as _;
use tokio::time::Instant;

use super::call_slots::CallSlot;
use super::event_order::EventOrder;
use crate::error::A2aError;
use crate::model::StreamResponse;
use crate::service::EventStream;

/// How often a silent stream says that it is alive. Proxies cut what is silent for a minute.
pub const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// How long a stream lasts at most. Its client then subscribes again, and its credentials are
/// checked again.
pub const STREAM_TTL: Duration = Duration::from_secs(3600);

/// Writes an event, or the error that ends the stream, as one block with its empty line.
pub(crate) type WriteEvent = Box<dyn Fn(Result<&StreamResponse, &A2aError>) -> String + Send + Sync>;

struct Writer {
    events: EventStream,
    order: EventOrder,
    ends_at: Instant,
    write: WriteEvent,
    shutdown: Shutdown,
    _slot: CallSlot,
}

/// The response with the events.
pub(crate) fn response(
    events: EventStream,
    write: WriteEvent,
    slot: CallSlot,
    shutdown: Shutdown,
) -> Response {
    let ends_at = Instant::now() + STREAM_TTL;
    let writer = Writer { events, order: EventOrder::Empty, ends_at, write, shutdown, _slot: slot };
    let blocks = futures::stream::unfold(writer, |mut writer| async move {
        let block = writer.next_block().await?;
        Some((Ok::<_, Infallible>(block), writer))
    });
    let mut response = Response::new(Body::from_stream(blocks));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // nginx buffers responses unless they say this.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

impl Writer {
    async fn next_block(&mut self) -> Option<String> {
        if self.order.has_ended() {
            return None;
        }
        tokio::select! {
            biased;
            () = self.shutdown.begun() => None,
            () = tokio::time::sleep_until(self.ends_at) => None,
            event = self.events.next() => Some(self.block(event?)),
            () = tokio::time::sleep(KEEP_ALIVE_INTERVAL) => Some(": keep-alive\n\n".to_owned()),
        }
    }

    fn block(&mut self, event: Result<StreamResponse, A2aError>) -> String {
        match event.and_then(|event| self.order.take(&event).map(|()| event)) {
            Ok(event) => (self.write)(Ok(&event)),
            Err(error) => {
                self.order = EventOrder::Ended;
                (self.write)(Err(&error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::{Caller, VerifiedBy};
    use crate::error::ErrorKind;
    use crate::http::call_slots::{CallSlots, SlotKind};
    use futures::stream;
    use serde_json::json;

    fn working() -> Result<StreamResponse, A2aError> {
        let status = json!({"state": "TASK_STATE_WORKING"});
        Ok(serde_json::from_value(json!({"task": {"id": "t", "contextId": "c", "status": status}})).unwrap())
    }

    fn of(events: EventStream, shutdown: &Shutdown) -> impl futures::Stream<Item = String> + Unpin {
        let caller = Caller {
            subject: "a".into(),
            verified_by: VerifiedBy::Nothing,
            tenant: String::new(),
            agent: None,
        };
        let slot = CallSlots::default().take(SlotKind::Stream, &caller).unwrap();
        let write: WriteEvent = Box::new(|event| match event {
            Ok(_) => "event\n\n".into(),
            Err(error) => format!("{:?}\n\n", error.kind()),
        });
        let body = response(events, write, slot, shutdown.clone()).into_body().into_data_stream();
        body.map(|block| String::from_utf8(block.unwrap().to_vec()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_says_that_it_is_alive_until_its_time_is_over() {
        let begun = Instant::now();
        let events = stream::iter([working()]).chain(stream::pending());
        let blocks: Vec<_> = of(events.boxed(), &Shutdown::new()).collect().await;
        assert_eq!(begun.elapsed().as_secs(), STREAM_TTL.as_secs());
        assert_eq!(blocks.first().map(String::as_str), Some("event\n\n"));
        assert_eq!(blocks.iter().filter(|block| *block == ": keep-alive\n\n").count(), 3600 / 15 - 1);
    }

    #[tokio::test]
    async fn a_stream_ends_with_the_process_with_an_error_and_with_the_service() {
        let shutdown = Shutdown::new();
        let mut blocks = of(stream::iter([working()]).chain(stream::pending()).boxed(), &shutdown);
        assert_eq!(blocks.next().await.as_deref(), Some("event\n\n"));
        shutdown.begin();
        assert_eq!(blocks.next().await, None);

        let failed = A2aError::new(ErrorKind::Unavailable, "gone");
        let events = stream::iter([working(), Err(failed), working()]);
        let blocks: Vec<_> = of(events.boxed(), &Shutdown::new()).collect().await;
        assert_eq!(blocks, ["event\n\n", "Unavailable\n\n"]);
        let blocks: Vec<_> = of(stream::iter([working()]).boxed(), &Shutdown::new()).collect().await;
        assert_eq!(blocks, ["event\n\n"]);
    }
}
