//! Fetches the provider's metadata (OpenID Connect Discovery 1.0) and its signing keys.

use protocol::UnixSeconds;
use protocol::url::secure_host;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::ProviderError;
use super::id_token::ProviderKeys;

/// The longest response of the provider, in bytes; Google's key set has 2 KiB.
const RESPONSE_BYTES_MAX: usize = 64 * 1024;

/// The provider's endpoints and keys, and when they were fetched.
#[derive(Debug)]
pub(crate) struct ProviderMetadata {
    pub(crate) fetched: UnixSeconds,
    pub(crate) authorization_endpoint: String,
    pub(crate) token_endpoint: String,
    pub(crate) keys: ProviderKeys,
}

#[derive(Debug, Deserialize)]
struct DiscoveryDocument {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
}

pub(crate) async fn fetch(
    http: &reqwest::Client,
    issuer: &str,
    now: UnixSeconds,
) -> Result<ProviderMetadata, ProviderError> {
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let document = check(get::<DiscoveryDocument>(http, &url).await?, issuer)?;
    let keys = get(http, &document.jwks_uri).await?;
    let DiscoveryDocument { authorization_endpoint, token_endpoint, .. } = document;
    Ok(ProviderMetadata { fetched: now, authorization_endpoint, token_endpoint, keys })
}

/// The body of a response, up to a limit.
pub(crate) async fn read(mut response: reqwest::Response, url: &str) -> Result<Vec<u8>, ProviderError> {
    let mut bytes = Vec::new();
    let failed = |source| ProviderError::Send { url: url.to_owned(), source };
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if bytes.len() + chunk.len() > RESPONSE_BYTES_MAX {
            return Err(ProviderError::TooLong(url.to_owned()));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

async fn get<T: DeserializeOwned>(http: &reqwest::Client, url: &str) -> Result<T, ProviderError> {
    let response = http.get(url).send().await;
    let response = response.map_err(|source| ProviderError::Send { url: url.to_owned(), source })?;
    if response.status().as_u16() != 200 {
        return Err(ProviderError::Status { url: url.to_owned(), status: response.status().as_u16() });
    }
    let bytes = read(response, url).await?;
    serde_json::from_slice(&bytes).map_err(|source| ProviderError::Parse { url: url.to_owned(), source })
}

/// Checks that the metadata is from exactly this issuer and that every URL in it is secure.
fn check(metadata: DiscoveryDocument, issuer: &str) -> Result<DiscoveryDocument, ProviderError> {
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

    fn metadata(issuer: &str, token: &str) -> DiscoveryDocument {
        DiscoveryDocument {
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
