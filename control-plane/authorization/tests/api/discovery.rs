//! Discovery: the documents that clients read before they ask for anything.

use crate::fake_relay::RESOURCE;
use crate::server::{GATEWAY, ISSUER, TestServer};

#[tokio::test]
async fn the_metadata_has_the_issuer_and_endpoints_below_it() {
    let server = TestServer::start().await;
    let metadata = server.get_json("/.well-known/oauth-authorization-server").await;
    assert_eq!(metadata["issuer"], ISSUER);
    for (member, path) in [
        ("authorization_endpoint", "/oauth/authorize"),
        ("token_endpoint", "/oauth/token"),
        ("registration_endpoint", "/oauth/register"),
        ("revocation_endpoint", "/oauth/revoke"),
        ("introspection_endpoint", "/oauth/introspect"),
        ("jwks_uri", "/oauth/jwks"),
    ] {
        assert_eq!(metadata[member], format!("{ISSUER}{path}"));
    }
    let keys = server.get_json("/oauth/jwks").await;
    assert_eq!((&keys["keys"][0]["crv"], &keys["keys"][0]["d"]), (&"Ed25519".into(), &().into()));
}

#[tokio::test]
async fn the_connector_file_has_the_gateway_or_the_endpoint_that_the_caller_knows() {
    let server = TestServer::start().await;
    assert_eq!(server.get_json("/.well-known/mcp-connector.json").await["url"], GATEWAY);
    let path = format!("/.well-known/mcp-connector.json?resource={RESOURCE}");
    assert_eq!(server.get_json(&path).await["url"], RESOURCE);
}
