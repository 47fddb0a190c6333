//! Routes that are known only after their listener has begun to serve. Requests for them wait.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use tokio::sync::SetOnce;
use tower::ServiceExt as _;

/// A router that is filled in later. Cheap to clone; clones share the routes.
#[derive(Debug, Clone, Default)]
pub struct LateRouter(Arc<SetOnce<Router>>);

impl LateRouter {
    /// Serves these routes from now on. Only the first call has an effect.
    pub fn set(&self, routes: Router) {
        if self.0.set(routes).is_err() {
            tracing::warn!("the routes of a listener were set twice");
        }
    }

    /// A router without routes of its own, to be served or merged.
    pub fn into_router(self) -> Router {
        Router::new().fallback(dispatch).with_state(self)
    }
}

async fn dispatch(State(late): State<LateRouter>, request: Request) -> Response {
    let routes = late.0.wait().await.clone();
    match routes.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::routing::get;

    use super::*;

    async fn status(router: &Router, path: &str) -> StatusCode {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        router.clone().oneshot(request).await.unwrap().status()
    }

    #[tokio::test]
    async fn other_routes_are_served_while_requests_for_the_late_ones_wait() {
        let late = LateRouter::default();
        let router = Router::new().route("/livez", get(|| async { "ok" })).merge(late.clone().into_router());
        let waiting = router.clone();
        let waiting = tokio::spawn(async move { status(&waiting, "/work").await });
        assert_eq!(status(&router, "/livez").await, StatusCode::OK);
        assert!(!waiting.is_finished());
        late.set(Router::new().route("/work", get(|| async { "done" })));
        assert_eq!(waiting.await.unwrap(), StatusCode::OK);
        assert_eq!(status(&router, "/other").await, StatusCode::NOT_FOUND);
    }
}
