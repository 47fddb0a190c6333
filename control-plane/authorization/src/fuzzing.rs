//! The parsers that strangers feed, with what must hold of them, for `relay/fuzz`. Each panics when it does not hold.

use url::Url;

use super::access_token;
use super::client::document;
use super::client::{Client, Metadata};
use super::keys::{KeySet, SigningKey};
use super::parameters::Parameters;
use super::provider;
use super::redirect::RedirectUri;
use super::request::{AuthorizationRequest, ReplyTo};

const CLIENT_ID: &str = "https://client.example/metadata";

/// A query or form as an authorization request: what is read is written back the same.
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

/// A client's metadata document, or its registration: what is taken can be stored and read again.
pub fn document(bytes: &[u8]) {
    let registered = protocol::strict_json::from_slice::<Metadata>(bytes).ok();
    let registered = registered.and_then(|metadata| Client::from_metadata("c".into(), metadata).ok());
    let documented = document::parse(CLIENT_ID, bytes).ok();
    for client in registered.into_iter().chain(documented) {
        let stored = serde_json::to_string(&client.to_stored()).ok();
        let read = stored.and_then(|stored| serde_json::from_str(&stored).ok());
        assert_eq!(read.and_then(|read| Client::from_stored(client.id.clone(), read)), Some(client));
    }
}

/// The URL of a document and its `Cache-Control`: only https by name on the default port is fetched.
pub fn document_url(text: &str) {
    let _ = document::freshness(Some(text));
    let Ok(url) = document::parse_url(text) else { return };
    assert!(url.scheme() == "https" && url.port().is_none() && url.domain().is_some());
    assert_eq!(url.as_str(), text);
}

/// A redirect URI: it is itself, and an answer goes to no other host.
pub fn redirect(text: &str) {
    let Ok(uri) = RedirectUri::parse(text) else { return };
    assert!(uri.matches(&uri));
    let answer = Url::parse(&uri.with(&[("code", "x")])).ok();
    let (answer, asked) = (answer.as_ref(), Url::parse(text).ok());
    assert_eq!(
        answer.map(|url| (url.scheme(), url.host_str(), url.port())),
        asked.as_ref().map(|url| (url.scheme(), url.host_str(), url.port()))
    );
}

/// An access token of ours, or an ID token of a provider: nothing that is not signed is taken.
pub fn token(text: &str) {
    let key = SigningKey::new(ed25519_dalek::SigningKey::from_bytes(&[1; 32]));
    if let Some(keys) = KeySet::new(vec![key]) {
        assert!(access_token::verify(text, &keys, "https://relay.example", 0).is_err());
    }
    assert!(!provider::fuzzing::takes(text));
}
