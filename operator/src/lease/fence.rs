//! Fencing: a layer of the Kubernetes client that refuses every write without a valid lease.
//!
//! Writes to relays are fenced by the term, which ends with this fence, see [`super::Leadership`].

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::http::{Method, Request};
use futures::future::{Either, Ready, ready};
use kube::client::Body;
use tokio::time::Instant;
use tower::{BoxError, Layer, Service};

use crate::metrics::Metrics;

/// Allows writes until an instant. Initially closed. Cheap to clone; clones share the state.
#[derive(Debug, Clone, Default)]
pub struct WriteFence(Arc<Mutex<Option<Instant>>>);

/// The error of a refused write.
#[derive(Debug, thiserror::Error)]
#[error("this replica does not hold the lease, so it does not write")]
pub(crate) struct NotLeading;

impl WriteFence {
    pub fn allow_until(&self, until: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    pub fn close(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    #[must_use]
    pub fn allows_writes(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| Instant::now() < until)
    }

    /// Waits until writes are refused. Cancel safe.
    pub async fn closed(&self) {
        loop {
            let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match until {
                Some(until) if Instant::now() < until => tokio::time::sleep_until(until).await,
                _ => return,
            }
        }
    }

    fn allows(&self, method: &Method) -> bool {
        *method == Method::GET || self.allows_writes()
    }
}

/// Puts the fence in front of a client, and counts allowed and refused writes.
#[derive(Debug, Clone)]
pub struct WriteFenceLayer {
    pub fence: WriteFence,
    pub metrics: Metrics,
}

impl WriteFenceLayer {
    fn check(&self, method: &Method) -> bool {
        let allowed = self.fence.allows(method);
        match (allowed, *method == Method::GET) {
            (true, true) => {}
            (true, false) => self.metrics.writes.inc(),
            (false, _) => self.metrics.refused_writes.inc(),
        }
        allowed
    }
}

impl<S> Layer<S> for WriteFenceLayer {
    type Service = FencedService<S>;

    fn layer(&self, inner: S) -> FencedService<S> {
        FencedService { inner, layer: self.clone() }
    }
}

/// A client behind a [`WriteFence`].
#[derive(Debug, Clone)]
pub struct FencedService<S> {
    inner: S,
    layer: WriteFenceLayer,
}

impl<S> Service<Request<Body>> for FencedService<S>
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
        if self.layer.check(request.method()) {
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
    async fn without_a_valid_lease_reads_are_allowed_and_writes_are_refused() {
        let fence = WriteFence::default();
        assert!(!fence.allows(&Method::PATCH));
        fence.allow_until(Instant::now() + Duration::from_secs(10));
        assert!(fence.allows(&Method::PATCH));
        tokio::time::advance(Duration::from_secs(10)).await;
        for method in [Method::PATCH, Method::POST, Method::PUT, Method::DELETE] {
            assert!(!fence.allows(&method), "{method}");
        }
        assert!(fence.allows(&Method::GET));
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_moves_the_time_at_which_the_fence_closes() {
        let (fence, begun) = (WriteFence::default(), Instant::now());
        fence.allow_until(begun + Duration::from_secs(10));
        let renewed = fence.clone();
        let closing = tokio::spawn(async move { fence.closed().await });
        tokio::time::sleep(Duration::from_secs(6)).await;
        renewed.allow_until(begun + Duration::from_secs(16));
        closing.await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), 16);
    }

    #[tokio::test(start_paused = true)]
    async fn writes_are_counted_as_sent_or_refused() {
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        let layer = WriteFenceLayer { fence: WriteFence::default(), metrics: metrics.clone() };
        assert!(!layer.check(&Method::PATCH) && layer.check(&Method::GET));
        layer.fence.allow_until(Instant::now() + Duration::from_secs(10));
        assert!(layer.check(&Method::PATCH) && layer.check(&Method::GET));
        assert_eq!((metrics.writes.get(), metrics.refused_writes.get()), (1, 1));
    }
}
