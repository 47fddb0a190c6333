//! The service below a Kubernetes client: it carries requests over a model network.

use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::{Request, Response};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::oneshot;
use tower::{BoxError, Service};

use super::ApiServer;
use super::api_failure::ApiFailure;
use super::api_request::{ApiRequest, ApiVerb};
use super::flawed_request::{self, FlawedRequest};
use super::model_kind::ModelKind;
use super::watch_stream;
use crate::simulator::network::{ModelNetwork, RequestFate};

/// Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct ApiConnection {
    server: ApiServer,
    network: ModelNetwork,
}

type Answer = Result<Response<Body>, BoxError>;

impl ApiConnection {
    pub(crate) fn new(server: ApiServer, network: ModelNetwork) -> Self {
        Self { server, network }
    }

    async fn carry(self, request: Request<kube::client::Body>) -> Answer {
        let request = match ApiRequest::parse(request).await {
            Ok(request) => request,
            Err(failure) => return Ok(failure.response()),
        };
        let is_write = request.verb.is_write();
        let plan = self.network.plan(is_write);
        tokio::time::sleep(plan.delay).await;
        if self.network.is_cut() {
            return std::future::pending().await;
        }
        match plan.fate {
            RequestFate::TooManyRequests => return Ok(ApiFailure::too_many_requests().response()),
            RequestFate::Unavailable => return Ok(ApiFailure::unavailable().response()),
            RequestFate::Unsent => return Err("connection reset by peer".into()),
            RequestFate::Answered | RequestFate::AnswerLost | RequestFate::ConflictAfterCommit => {}
        }
        let answer = self.deliver(request);
        if self.network.is_cut() {
            return std::future::pending().await;
        }
        match plan.fate {
            RequestFate::AnswerLost => Err("connection reset by peer".into()),
            RequestFate::ConflictAfterCommit => Ok(ApiFailure::conflict(
                "the object has been modified; please apply your changes to the latest version",
            )
            .response()),
            _ => answer,
        }
    }

    fn deliver(&self, request: ApiRequest) -> Answer {
        let request = match flawed_request::plant(&self.server, &self.network, request) {
            FlawedRequest::Sent(request) => request,
            FlawedRequest::Answered(Ok(object)) => return Ok(Response::new(Body::from(object.to_string()))),
            FlawedRequest::Answered(Err(failure)) => return Ok(failure.response()),
        };
        if request.verb.is_write() && request.kind.plural != "leases" {
            self.network.record_write(request.summary(), self.holds_lease());
        }
        if request.verb == ApiVerb::Get && request.kind.plural == "secrets" {
            self.network.record_secret_read(&request.namespace);
        }
        if request.verb == ApiVerb::Watch {
            return Ok(watch_stream::open(self.server.clone(), self.network.clone(), &request));
        }
        Ok(self.server.answer(&self.network, &request).unwrap_or_else(|failure| failure.response()))
    }

    fn holds_lease(&self) -> bool {
        let lease = self.server.with(|store| {
            store.of_kind(ModelKind::named("Lease")).next().map(|(_, lease)| Arc::clone(lease))
        });
        let holder =
            lease.as_ref().and_then(|lease| lease["spec"]["holderIdentity"].as_str()).unwrap_or_default();
        holder.strip_prefix(self.network.name()).is_some_and(|rest| rest.starts_with('_'))
    }
}

impl Service<Request<kube::client::Body>> for ApiConnection {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    /// The request goes on when the caller gives up waiting, as on a real network.
    fn call(&mut self, request: Request<kube::client::Body>) -> Self::Future {
        let (answer, answered) = oneshot::channel();
        let carried = self.clone().carry(request);
        tokio::spawn(async move { drop(answer.send(carried.await)) });
        async move { answered.await.unwrap_or_else(|_| Err("the connection was closed".into())) }.boxed()
    }
}
