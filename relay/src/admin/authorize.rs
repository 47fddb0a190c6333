//! Checks the admin token before anything else of a request, and counts the request.

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use daemon::bearer::bearer;
use daemon::error_chain;
use daemon::token_file::TokenFileError;
use protocol::Reason;

use super::AdminState;
use crate::problem::ProblemResponse;

pub(super) async fn authorize(State(admin): State<AdminState>, request: Request, next: Next) -> Response {
    let method = request.method().to_string();
    let path = request.uri().path().to_owned();
    let response = match check(&admin, request.headers()).await {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    admin.metrics.count(&method, &path, response.status());
    response
}

/// Fails closed: every request is refused while the token cannot be read.
async fn check(admin: &AdminState, headers: &HeaderMap) -> Result<(), ProblemResponse> {
    let presented = bearer(headers).ok_or(Reason::TokenInvalid)?;
    match admin.token_file.is_presented(presented).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Reason::TokenInvalid.into()),
        Err(TokenFileError::NoToken(_)) => {
            Err(ProblemResponse::new(Reason::TokenInvalid, "the relay's admin token file holds no token"))
        }
        Err(error) => {
            tracing::error!(error = %error_chain(&error), "failed to read the admin token");
            Err(ProblemResponse::new(Reason::TokenInvalid, "the relay cannot read its admin token file"))
        }
    }
}
