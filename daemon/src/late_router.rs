//! Routes that are known only after their listener has begun to serve.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use tower::ServiceExt as _;

/// A router that is filled in later. Cheap to clone; clones share the routes.
#[derive(Debug, Clone)]
pub struct LateRouter {
    routes: Arc<OnceLock<Router>>,
    /// Answers requests until then.
    before: fn() -> Response,
}

impl LateRouter {
    #[must_use]
    pub fn new(before: fn() -> Response) -> Self {
        Self { routes: Arc::default(), before }
    }

    /// Serves these routes from now on. Only the first call has an effect.
    pub fn set(&self, routes: Router) {
        if self.routes.set(routes).is_err() {
            tracing::warn!("the routes of a listener were set twice");
        }
    }

    /// A router without routes of its own, to be served or merged.
    pub fn into_router(self) -> Router {
        Router::new().fallback(dispatch).with_state(self)
    }
}

async fn dispatch(State(late): State<LateRouter>, request: Request) -> Response {
    match late.routes.get() {
        Some(routes) => match routes.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        },
        None => (late.before)(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::response::IntoResponse as _;
    use axum::routing::get;

    use super::*;

    async fn status(router: &Router, path: &str) -> StatusCode {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        router.clone().oneshot(request).await.unwrap().status()
    }

    #[tokio::test]
    async fn other_routes_are_served_before_the_late_ones() {
        let late = LateRouter::new(|| StatusCode::SERVICE_UNAVAILABLE.into_response());
        let router = Router::new().route("/livez", get(|| async { "ok" })).merge(late.clone().into_router());
        assert_eq!(status(&router, "/livez").await, StatusCode::OK);
        assert_eq!(status(&router, "/work").await, StatusCode::SERVICE_UNAVAILABLE);
        late.set(Router::new().route("/work", get(|| async { "done" })));
        assert_eq!(status(&router, "/work").await, StatusCode::OK);
        assert_eq!(status(&router, "/other").await, StatusCode::NOT_FOUND);
    }
}
