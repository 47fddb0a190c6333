//! The authorization server as this process reaches it.

use protocol::Did;

use crate::http::bearer::Tokens;
use crate::http::issuer::Issuer;
use crate::http::metadata;
use crate::http::outbound::Outbound;
use crate::http::token::Expected;
use crate::settings::OAuth;

pub(super) fn tokens(oauth: &OAuth, agent: Did, outbound: Outbound) -> Tokens {
    let expected = Expected {
        issuer: oauth.issuer.clone(),
        audience: oauth.public_url.clone(),
        gateway: oauth.gateway_url.clone(),
        agent,
    };
    let metadata_url = metadata::url(&oauth.public_url);
    let gateway_metadata_url = oauth.gateway_url.as_deref().map(metadata::url);
    tracing::info!(
        issuer = oauth.issuer,
        resource = oauth.public_url,
        gateway = oauth.gateway_url,
        "access tokens open this endpoint"
    );
    Tokens { expected, metadata_url, gateway_metadata_url, issuer: Issuer::new(&oauth.jwks_url, outbound) }
}
