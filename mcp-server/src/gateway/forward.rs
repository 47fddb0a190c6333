//! Brings a request to an endpoint and its answer back, both as they come, without keeping them.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;
use daemon::Shutdown;
use futures::StreamExt as _;

use super::headers;
use super::known::Route;
use crate::http::outbound::Outbound;
use crate::http::refused::Refused;

/// Time until an endpoint begins to answer: more than a call may take there, which is below 60 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(75);

/// `leaving` ends the streams that clients only listen to; they connect anew, elsewhere.
///
/// # Errors
/// The endpoint does not answer.
pub async fn forward(
    route: &Route,
    request: Request,
    outbound: &Outbound,
    leaving: Shutdown,
) -> Result<Response, Refused> {
    let (parts, body) = request.into_parts();
    let sent = outbound
        .client()
        .request(parts.method.clone(), &route.endpoint)
        .headers(headers::of_request(parts.headers))
        .body(reqwest::Body::wrap_stream(body.into_data_stream()))
        .send();
    let answer = match tokio::time::timeout(ANSWER_TIMEOUT, sent).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(failed(route, &error)),
        Err(_) => return Err(Refused::EndpointTimeout),
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answer.status();
    *response.headers_mut() = headers::of_answer(answer.headers().clone());
    let data = answer.bytes_stream();
    *response.body_mut() = if parts.method == Method::GET {
        Body::from_stream(data.take_until(async move { leaving.begun().await }))
    } else {
        Body::from_stream(data)
    };
    Ok(response)
}

/// A connection that was never made did nothing; of one that broke, nobody knows.
fn failed(route: &Route, error: &reqwest::Error) -> Refused {
    let source = std::error::Error::source(error).map(ToString::to_string);
    tracing::warn!(agent.did = %route.agent, source, "the endpoint did not answer");
    if error.is_connect() { Refused::EndpointUnreachable } else { Refused::EndpointInterrupted }
}
