//! `GET /ws`: checks the API key and the handshake, then passes the raw connection to the hub.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use daemon::https::{self, ConnectionSlot};
use hyper::upgrade::OnUpgrade;
use protocol::Reason;
use protocol::frame::SUBPROTOCOL;

use super::{PublicState, handshake};
use crate::directory::Principal;
use crate::hub::{ByteStream, Connection, ConnectionShare, Hub};
use crate::problem::ProblemResponse;
use crate::session;
use daemon::bearer::bearer;

pub(super) async fn handle(
    State(public): State<PublicState>,
    Extension(connection): Extension<ConnectionSlot>,
    mut request: Request,
) -> Response {
    let (admitted, accept) = match admit(&public, &request) {
        Ok(admitted) => admitted,
        Err(refusal) => {
            public.metrics.refused(refusal.reason);
            tracing::debug!(reason = refusal.reason.as_str(), peer = %connection.peer(), "refused an upgrade");
            return refusal.into_response();
        }
    };
    let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>() else {
        return ProblemResponse::from(Reason::BadRequest).into_response();
    };
    let sessions = public.sessions.clone();
    sessions.spawn(finish_upgrade(public, upgrade, admitted, connection));
    switching(&accept)
}

/// Who may upgrade, and its place among the connections.
struct Admitted {
    principal: Principal,
    share: ConnectionShare,
}

/// Also returns the value of `Sec-WebSocket-Accept`.
fn admit(public: &PublicState, request: &Request) -> Result<(Admitted, String), ProblemResponse> {
    let principal = authenticate(public, request.headers())?;
    let accept = handshake::accept(request.method(), request.headers())?;
    let share = public.hub.take_connection(&principal);
    let share = share.map_err(|quota| ProblemResponse::over(Reason::TooManyConnections, quota))?;
    Ok((Admitted { principal, share }, accept))
}

fn authenticate(public: &PublicState, headers: &HeaderMap) -> Result<Principal, ProblemResponse> {
    if public.draining.has_begun() {
        return Err(Reason::Draining.into());
    }
    let key = bearer(headers).ok_or(Reason::KeyMissing)?;
    public.directory.authenticate(key).map_err(|error| error.reason().into())
}

fn switching(accept: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    if let Ok(accept) = HeaderValue::from_str(accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

/// Takes over the stream. The session is a task of its own, which does not hold what the upgrade
/// needed.
async fn finish_upgrade(
    public: PublicState,
    upgrade: OnUpgrade,
    admitted: Admitted,
    connection: ConnectionSlot,
) {
    let upgraded = match upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => {
            tracing::debug!(%error, peer = %connection.peer(), "the connection ended during the upgrade");
            return;
        }
    };
    let Ok((stream, leftover)) = https::into_stream(upgraded) else {
        tracing::error!("an upgraded connection does not come from the public listener");
        return;
    };
    let stream: Box<dyn ByteStream> = Box::new(stream);
    let stream = match &public.stream_wrapper {
        Some(wrapper) => wrapper.wrap(stream),
        None => stream,
    };
    let PublicState { hub, sessions, .. } = public;
    let Admitted { principal, share } = admitted;
    let served = hub.add_connection(stream, principal, connection.peer());
    sessions.spawn(run_session(hub, served, leftover, share, connection));
}

/// Runs the session, which keeps its place among the connections until it ends.
async fn run_session(
    hub: Arc<Hub>,
    served: Arc<Connection>,
    leftover: Bytes,
    _share: ConnectionShare,
    _slot: ConnectionSlot,
) {
    session::serve(hub, served, leftover).await;
}
