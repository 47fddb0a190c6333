//! Grants: what a person allowed a client, and the codes and refresh tokens issued under it.

pub(crate) mod exchange;
pub(crate) mod grant;
pub(crate) mod grant_validity;
pub(crate) mod lifecycle;
pub(crate) mod pkce;
pub(crate) mod scope;
