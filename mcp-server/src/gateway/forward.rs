//! Forwards a request to an endpoint and streams the response back, without buffering either.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;
use daemon::Shutdown;
use futures::StreamExt as _;

use super::headers;
use super::rejection::GatewayRejection;
use super::route_cache::Route;
use crate::http::outbound::Outbound;

/// Time until an endpoint begins to answer: more than a call may take there, which is below 60 s.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(75);

/// `closing_streams` ends the streams that clients only listen to. They reconnect to another
/// replica.
///
/// # Errors
/// The endpoint does not answer.
pub async fn forward(
    route: &Route,
    request: Request,
    outbound: &Outbound,
    closing_streams: Shutdown,
) -> Result<Response, GatewayRejection> {
    let (parts, body) = request.into_parts();
    let sent = outbound
        .client()
        .request(parts.method.clone(), &route.endpoint)
        .headers(headers::for_endpoint(parts.headers))
        .body(reqwest::Body::wrap_stream(body.into_data_stream()))
        .send();
    let answer = match tokio::time::timeout(RESPONSE_TIMEOUT, sent).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(rejection_of(route, &error)),
        Err(_) => return Err(GatewayRejection::EndpointTimeout),
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answer.status();
    *response.headers_mut() = headers::for_client(answer.headers().clone());
    let data = answer.bytes_stream();
    *response.body_mut() = if parts.method == Method::GET {
        Body::from_stream(data.take_until(async move { closing_streams.begun().await }))
    } else {
        Body::from_stream(data)
    };
    Ok(response)
}

/// Without a connection the request had no effect. After a connection broke, that is unknown.
fn rejection_of(route: &Route, error: &reqwest::Error) -> GatewayRejection {
    tracing::warn!(agent.did = %route.agent, error = daemon::error_chain(error), "the endpoint did not answer");
    if error.is_connect() {
        GatewayRejection::EndpointUnreachable
    } else {
        GatewayRejection::EndpointInterrupted
    }
}
