//! Prepares the verification of access tokens from the settings.

use protocol::Did;

use crate::endpoint::bearer::TokenVerifier;
use crate::endpoint::issuer_keys::IssuerKeys;
use crate::endpoint::settings::OauthSettings;
use crate::endpoint::token::ExpectedClaims;
use crate::http::metadata;
use crate::http::outbound::Outbound;

pub(super) fn token_verifier(oauth: &OauthSettings, agent: Did, outbound: Outbound) -> TokenVerifier {
    let expected = ExpectedClaims {
        issuer: oauth.issuer.clone(),
        audience: oauth.public_url.clone(),
        gateway: oauth.gateway_url.clone(),
        agent,
    };
    tracing::info!(
        issuer = oauth.issuer,
        resource = oauth.public_url,
        gateway = oauth.gateway_url,
        "accepting access tokens"
    );
    TokenVerifier {
        expected,
        metadata_url: metadata::url(&oauth.public_url),
        gateway_metadata_url: oauth.gateway_url.as_deref().map(metadata::url),
        issuer_keys: IssuerKeys::new(&oauth.jwks_url, outbound),
    }
}
