//! Requests and responses on one connection: HTTP/1.1 by hyper, with a deadline for each phase.

use std::convert::Infallible;
use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use axum::response::IntoResponse as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep_until};
use tower::Service as _;

use super::limits::{ListenerLimits, REQUEST_HEAD_BYTES_MAX};
use super::request_phase::RequestPhase;
use super::slots::ConnectionSlot;
use super::tracked::{TrackedBody, TrackedStream};
use crate::shutdown::Shutdown;

#[cfg(test)]
mod tests;

/// How a connection ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// One of the two sides closed it, or it was upgraded.
    Done(hyper::Result<()>),
    /// The client took too long for its first request.
    FirstRequestTimeout,
    /// The client took too long for a later request.
    Timeout,
}

/// Serves requests until the client leaves, a deadline passes, or `closing` begins and the response
/// under way has been sent.
pub(super) async fn serve<S>(
    stream: S,
    router: Router,
    slot: ConnectionSlot,
    limits: &ListenerLimits,
    closing: &Shutdown,
) -> Ended
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let phase = RequestPhase::new(limits);
    let service = hyper::service::service_fn(|request: Request<Incoming>| {
        phase.on_request();
        // Otherwise the connection is being closed, and the response would not arrive.
        let may_run = slot.begin_request();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(slot.clone());
        let (mut router, phase) = (router.clone(), phase.clone());
        async move {
            let response: Response<Body> = if may_run {
                router.call(request).await?
            } else {
                StatusCode::SERVICE_UNAVAILABLE.into_response()
            };
            Ok::<_, Infallible>(response.map(|body| TrackedBody::new(body, phase)))
        }
    });
    let serving = http1::Builder::new()
        // Each phase has its own deadline here.
        .header_read_timeout(None)
        .max_buf_size(REQUEST_HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(TrackedStream::new(stream, phase.clone())), service)
        .with_upgrades();
    let (mut serving, mut closing) = (pin!(serving), pin!(closing.begun()));
    let mut deadline = Deadline::new(&phase);
    let mut is_closing = false;
    poll_fn(|cx| {
        if let Poll::Ready(ended) = serving.as_mut().poll(cx) {
            return Poll::Ready(Ended::Done(ended));
        }
        if !is_closing && closing.as_mut().poll(cx).is_ready() {
            is_closing = true;
            serving.as_mut().graceful_shutdown();
            if let Poll::Ready(ended) = serving.as_mut().poll(cx) {
                return Poll::Ready(Ended::Done(ended));
            }
        }
        deadline
            .poll_passed(cx)
            .map(|()| if phase.is_new() { Ended::FirstRequestTimeout } else { Ended::Timeout })
    })
    .await
}

/// The timer of a connection's current phase.
struct Deadline<'a> {
    phase: &'a RequestPhase,
    timer: Pin<Box<Sleep>>,
}

impl<'a> Deadline<'a> {
    fn new(phase: &'a RequestPhase) -> Self {
        let first = phase.deadline().unwrap_or_else(Instant::now);
        Self { phase, timer: Box::pin(sleep_until(first)) }
    }

    fn poll_passed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(deadline) = self.phase.deadline() else { return Poll::Pending };
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            // A later deadline lets the timer fire too early once, which is cheaper than moving it
            // for each request: most deadlines are gone before they pass.
            if deadline < self.timer.deadline() || self.timer.is_elapsed() {
                self.timer.as_mut().reset(deadline);
            }
            ready!(self.timer.as_mut().poll(cx));
        }
    }
}
