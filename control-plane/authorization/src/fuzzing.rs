//! The parsers of untrusted input with their invariants, for the fuzz targets. Each function panics
//! if its invariant is violated.

use url::Url;

use crate::authorize::request::{AuthorizationRequest, ReplyTo};
use crate::clients::client::{Client, ClientMetadata};
use crate::clients::metadata_document;
use crate::clients::redirect_uri::RedirectUri;
use crate::parameters::Parameters;
use crate::people::provider;
use crate::tokens::access_token;
use crate::tokens::signing_key::{KeySet, SigningKey};

const CLIENT_ID: &str = "https://client.example/metadata";

/// Parses a query or form as an authorization request. A parsed request, written and parsed again,
/// is the same.
pub fn request(bytes: &[u8]) {
    let Ok(parameters) = Parameters::parse(bytes) else { return };
    let redirect_uris = ["http://localhost/callback", "https://client.example/cb"];
    let redirect_uris = redirect_uris.iter().filter_map(|uri| RedirectUri::parse(uri).ok()).collect();
    let client = Client { id: CLIENT_ID.into(), name: "C".into(), redirect_uris };
    let read = |parameters: &Parameters| {
        let reply_to = ReplyTo::parse(parameters, &client).ok()?;
        AuthorizationRequest::parse(parameters, reply_to, |_| true).ok()
    };
    let Some(request) = read(&parameters) else { return };
    let again = Parameters::parse(request.to_query().as_bytes()).ok().and_then(|again| read(&again));
    assert_eq!(again.as_ref(), Some(&request));
}

/// Parses a client's metadata document and its registration. An accepted client can be stored and
/// read back.
pub fn document(bytes: &[u8]) {
    let registered = protocol::strict_json::from_slice::<ClientMetadata>(bytes).ok();
    let registered = registered.and_then(|metadata| Client::from_metadata("c".into(), metadata).ok());
    let documented = metadata_document::parse(CLIENT_ID, bytes).ok();
    for client in registered.into_iter().chain(documented) {
        let stored = serde_json::to_string(&client.to_stored()).ok();
        let read = stored.and_then(|stored| serde_json::from_str(&stored).ok());
        assert_eq!(read.and_then(|read| Client::from_stored(client.id.clone(), read)), Some(client));
    }
}

/// Parses the URL of a document and its `Cache-Control`. An accepted URL is https with a host name
/// on the default port.
pub fn document_url(text: &str) {
    let _ = metadata_document::cache_ttl(Some(text));
    let Ok(url) = metadata_document::parse_url(text) else { return };
    assert!(url.scheme() == "https" && url.port().is_none() && url.domain().is_some());
    assert_eq!(url.as_str(), text);
}

/// Parses a redirect URI. It matches itself, and the response goes to no other host.
pub fn redirect(text: &str) {
    let Ok(uri) = RedirectUri::parse(text) else { return };
    assert!(uri.matches(&uri));
    let response = Url::parse(&uri.with_parameters(&[("code", "x")])).ok();
    let (response, registered) = (response.as_ref(), Url::parse(text).ok());
    assert_eq!(
        response.map(|url| (url.scheme(), url.host_str(), url.port())),
        registered.as_ref().map(|url| (url.scheme(), url.host_str(), url.port()))
    );
}

/// Verifies an access token and an ID token. A token that is not signed is refused.
pub fn token(text: &str) {
    let key = SigningKey::new(ed25519_dalek::SigningKey::from_bytes(&[1; 32]));
    if let Some(keys) = KeySet::new(vec![key]) {
        assert!(access_token::verify(text, &keys, "https://relay.example", 0).is_err());
    }
    assert!(!provider::fuzzing::accepts(text));
}
