//! The admin token, checked before anything else is looked at, and the count of what was asked.

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use protocol::Reason;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::Admin;
use crate::bearer::bearer;
use crate::problem::Refusal;

/// Bytes of a token file; a longer one is not a token.
const TOKEN_BYTES_MAX: usize = 4096;

pub(super) async fn authorize(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    let method = request.method().to_string();
    let path = request.uri().path().to_owned();
    let response = match check(&admin, request.headers()).await {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    admin.metrics.count(&method, &path, response.status());
    response
}

async fn check(admin: &Admin, headers: &HeaderMap) -> Result<(), Refusal> {
    let wanted = read_token(admin).await?;
    let presented = bearer(headers).ok_or(Reason::TokenInvalid)?;
    if matches(wanted.trim(), presented) { Ok(()) } else { Err(Reason::TokenInvalid.into()) }
}

/// Fails closed: without a readable token nobody is let in.
async fn read_token(admin: &Admin) -> Result<Zeroizing<String>, Refusal> {
    match tokio::fs::read_to_string(&*admin.token_file).await {
        Ok(token) if !token.trim().is_empty() && token.len() <= TOKEN_BYTES_MAX => Ok(Zeroizing::new(token)),
        Ok(_) => Err(Refusal::new(Reason::TokenInvalid, "the relay's admin token file holds no token")),
        Err(error) => {
            tracing::error!(%error, file = %admin.token_file.display(), "failed to read the admin token");
            Err(Refusal::new(Reason::TokenInvalid, "the relay cannot read its admin token file"))
        }
    }
}

/// Compares hashes, so that neither content nor length shows in the time it takes.
fn matches(wanted: &str, presented: &str) -> bool {
    Sha256::digest(wanted).as_slice().ct_eq(Sha256::digest(presented).as_slice()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_matches() {
        assert!(matches("token", "token"));
        for other in ["", "toke", "token ", "Token"] {
            assert!(!matches("token", other), "{other:?}");
        }
    }
}
