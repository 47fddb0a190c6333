//! `GET /ws`: the API key first, then the handshake, then the raw connection goes to the hub.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use daemon::https::{self, ConnectionSlot};
use hyper::upgrade::OnUpgrade;
use protocol::Reason;
use protocol::frame::SUBPROTOCOL;

use super::{Public, handshake};
use crate::directory::Principal;
use crate::problem::Refusal;
use crate::session;
use daemon::bearer::bearer;

pub(super) async fn handle(
    State(public): State<Public>,
    Extension(connection): Extension<ConnectionSlot>,
    mut request: Request,
) -> Response {
    let admitted = admit(&public, request.headers())
        .and_then(|who| Ok((who, handshake::accept(request.method(), request.headers())?)));
    let (who, accept) = match admitted {
        Ok(admitted) => admitted,
        Err(refusal) => {
            public.metrics.refused(refusal.reason);
            tracing::debug!(reason = refusal.reason.as_str(), peer = %connection.peer(), "refused an upgrade");
            return refusal.into_response();
        }
    };
    let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>() else {
        return Refusal::from(Reason::InvalidRequest).into_response();
    };
    let sessions = public.sessions.clone();
    sessions.spawn(serve(public, upgrade, who, connection));
    switching(&accept)
}

fn admit(public: &Public, headers: &HeaderMap) -> Result<Principal, Refusal> {
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

/// Ends with the session; `connection` holds its slot until then.
async fn serve(public: Public, upgrade: OnUpgrade, who: Principal, connection: ConnectionSlot) {
    let upgraded = match upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => {
            tracing::debug!(%error, peer = %connection.peer(), "the connection ended during the upgrade");
            return;
        }
    };
    let Ok((stream, read)) = https::into_stream(upgraded) else {
        tracing::error!("an upgraded connection does not come from the public listener");
        return;
    };
    let admitted = public.hub.admit(stream, who, connection.peer());
    session::serve(public.hub, admitted, read).await;
}
