//! What an OpenID provider publishes: its endpoints (OpenID Connect Discovery 1.0) and its keys.

use protocol::UnixSeconds;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::id_token::JwkSet;
use super::{ANSWER_BYTES_MAX, ProviderError};
use protocol::url::secure_host;

/// What is known of a provider, and since when.
#[derive(Debug)]
pub(super) struct Discovered {
    pub(super) at: UnixSeconds,
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    pub(super) keys: JwkSet,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
}

pub(super) async fn discover(
    http: &reqwest::Client,
    issuer: &str,
    now: UnixSeconds,
) -> Result<Discovered, ProviderError> {
    let place = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let metadata = check(get::<Metadata>(http, &place).await?, issuer)?;
    let keys = get(http, &metadata.jwks_uri).await?;
    let Metadata { authorization_endpoint, token_endpoint, .. } = metadata;
    Ok(Discovered { at: now, authorization_endpoint, token_endpoint, keys })
}

/// A body with a limit.
pub(super) async fn read(mut response: reqwest::Response, url: &str) -> Result<Vec<u8>, ProviderError> {
    let mut bytes = Vec::new();
    let failed = |source| ProviderError::Ask { url: url.to_owned(), source };
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(ProviderError::TooLong(url.to_owned()));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

async fn get<T: DeserializeOwned>(http: &reqwest::Client, url: &str) -> Result<T, ProviderError> {
    let response = http.get(url).send().await;
    let response = response.map_err(|source| ProviderError::Ask { url: url.to_owned(), source })?;
    if response.status().as_u16() != 200 {
        return Err(ProviderError::Status { url: url.to_owned(), status: response.status().as_u16() });
    }
    let bytes = read(response, url).await?;
    serde_json::from_slice(&bytes).map_err(|source| ProviderError::Parse { url: url.to_owned(), source })
}

/// The metadata must be the issuer's own, letter for letter, and lead to secure places only.
fn check(metadata: Metadata, issuer: &str) -> Result<Metadata, ProviderError> {
    if metadata.issuer != issuer {
        return Err(ProviderError::OtherIssuer { found: metadata.issuer, wanted: issuer.to_owned() });
    }
    for url in [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri] {
        if secure_host(url).is_none() {
            return Err(ProviderError::Insecure(url.clone()));
        }
    }
    Ok(metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(issuer: &str, token: &str) -> Metadata {
        Metadata {
            issuer: issuer.into(),
            authorization_endpoint: "https://p.example/a".into(),
            token_endpoint: token.into(),
            jwks_uri: "https://p.example/j".into(),
        }
    }

    #[test]
    fn metadata_of_another_issuer_or_with_insecure_places_is_refused() {
        check(metadata("https://p.example", "https://p.example/t"), "https://p.example").unwrap();
        let other = check(metadata("https://p.example/", "https://p.example/t"), "https://p.example");
        assert!(matches!(other, Err(ProviderError::OtherIssuer { .. })));
        let insecure = check(metadata("https://p.example", "http://p.example/t"), "https://p.example");
        assert!(matches!(insecure, Err(ProviderError::Insecure(_))));
    }
}
