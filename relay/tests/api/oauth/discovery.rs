//! Discovery: the documents that clients read before they ask for anything.

use reqwest::{Method, StatusCode, header};
use serde_json::Value;

use super::person::*;
use crate::harness::start;

#[tokio::test]
async fn every_metadata_url_has_the_same_document_with_one_issuer() {
    let relay = start().await;
    let mut documents = Vec::new();
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/openid-configuration",
    ] {
        let answer = relay.client.get(format!("{}{path}", relay.url)).send().await.unwrap();
        documents.push(answer.json::<Value>().await.unwrap());
    }
    assert!(documents.iter().all(|document| *document == documents[0]));
    let metadata = &documents[0];
    assert_eq!(metadata["issuer"], ISSUER);
    assert_eq!(metadata["token_endpoint"], format!("{ISSUER}/oauth/token"));
    assert_eq!(metadata["code_challenge_methods_supported"], serde_json::json!(["S256"]));
    assert_eq!(metadata["token_endpoint_auth_methods_supported"], serde_json::json!(["none"]));
    assert_eq!(metadata["client_id_metadata_document_supported"], true);
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
}

#[tokio::test]
async fn other_origins_may_call_what_looks_at_no_cookie() {
    let relay = start().await;
    for (path, method) in [
        ("/.well-known/oauth-authorization-server", "GET"),
        ("/oauth/register", "POST"),
        ("/oauth/token", "POST"),
        ("/oauth/revoke", "POST"),
    ] {
        let request = relay.client.request(Method::OPTIONS, format!("{}{path}", relay.url));
        let request = request.header(header::ORIGIN, "https://inspector.example");
        let request = request.header(header::ACCESS_CONTROL_REQUEST_METHOD, method);
        let answer =
            request.header(header::ACCESS_CONTROL_REQUEST_HEADERS, "content-type").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*", "{path}");
    }
    let consent = relay.client.post(format!("{}/oauth/consent", relay.url));
    let consent = consent.header(header::ORIGIN, "https://inspector.example").send().await.unwrap();
    assert!(!consent.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
}

#[tokio::test]
async fn the_connector_file_lists_no_agent_that_was_not_named() {
    let relay = start().await;
    put_alice(&relay, &[]).await;
    let read = async |query: &str| {
        let url = format!("{}/.well-known/mcp-connector.json{query}", relay.url);
        relay.client.get(url).send().await.unwrap().json::<Value>().await.unwrap()
    };
    let generic = read("").await;
    assert!(!generic.to_string().contains("alice"), "{generic}");
    assert_eq!(generic["auth"]["pkce"], true);
    assert_eq!(read(&format!("?resource={RESOURCE}")).await["url"], RESOURCE);
    assert_eq!(read("?resource=https://mcp.example/bob").await, generic);
}
