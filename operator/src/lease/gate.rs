//! The fence: a layer of the work client that refuses every write without a valid lease.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::http::{Method, Request};
use futures::future::{Either, Ready, ready};
use kube::client::Body;
use tokio::time::Instant;
use tower::{BoxError, Layer, Service};

use crate::metrics::Metrics;

/// Open until an instant; closed at first. Cheap to clone; all clones are the same gate.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<Mutex<Option<Instant>>>);

#[derive(Debug, thiserror::Error)]
#[error("this replica does not hold the lease, so it does not write")]
pub(crate) struct NotLeading;

impl Gate {
    pub fn open_until(&self, until: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    pub fn close(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| Instant::now() < until)
    }

    fn admits(&self, method: &Method) -> bool {
        *method == Method::GET || self.is_open()
    }
}

/// Puts the gate in front of a client, and counts what passes and what does not.
#[derive(Debug, Clone)]
pub struct GateLayer {
    pub gate: Gate,
    pub metrics: Metrics,
}

impl GateLayer {
    fn passes(&self, method: &Method) -> bool {
        let admitted = self.gate.admits(method);
        match (admitted, *method == Method::GET) {
            (true, true) => {}
            (true, false) => self.metrics.writes.inc(),
            (false, _) => self.metrics.refused_writes.inc(),
        }
        admitted
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated { inner, layer: self.clone() }
    }
}

#[derive(Debug, Clone)]
pub struct Gated<S> {
    inner: S,
    layer: GateLayer,
}

impl<S> Service<Request<Body>> for Gated<S>
where
    S: Service<Request<Body>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Either<futures::future::ErrInto<S::Future, BoxError>, Ready<Result<S::Response, BoxError>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        use futures::TryFutureExt as _;
        if self.layer.passes(request.method()) {
            Either::Left(self.inner.call(request).err_into())
        } else {
            Either::Right(ready(Err(Box::new(NotLeading))))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn without_a_valid_lease_nothing_is_written_but_everything_read() {
        let gate = Gate::default();
        assert!(!gate.admits(&Method::PATCH));
        gate.open_until(Instant::now() + Duration::from_secs(10));
        assert!(gate.admits(&Method::PATCH));
        tokio::time::advance(Duration::from_secs(10)).await;
        for method in [Method::PATCH, Method::POST, Method::PUT, Method::DELETE] {
            assert!(!gate.admits(&method), "{method}");
        }
        assert!(gate.admits(&Method::GET));
    }

    #[tokio::test(start_paused = true)]
    async fn writes_are_counted_as_sent_or_refused() {
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        let layer = GateLayer { gate: Gate::default(), metrics: metrics.clone() };
        assert!(!layer.passes(&Method::PATCH) && layer.passes(&Method::GET));
        layer.gate.open_until(Instant::now() + Duration::from_secs(10));
        assert!(layer.passes(&Method::PATCH) && layer.passes(&Method::GET));
        assert_eq!((metrics.writes.get(), metrics.refused_writes.get()), (1, 1));
    }
}
