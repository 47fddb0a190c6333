//! Checks dynamic client registration (RFC 7591).

use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::finding::{Component, Fault};
use super::http::{self, HttpAnswer};
use super::issuer_metadata::IssuerMetadata;

/// A loopback port without a listener, because this client never signs in.
pub(super) const REDIRECT_URI: &str = "http://localhost:1/callback";

#[derive(Debug, Deserialize)]
struct Registered {
    client_id: String,
}

/// Registers a client and returns its id.
pub(super) async fn register(client: &Client, metadata: &IssuerMetadata) -> Result<String, Fault> {
    let Some(endpoint) = &metadata.registration_endpoint else {
        let remedy = "enable registration, or accept client ID metadata documents";
        return Err(Fault::new(
            Component::AuthorizationServer,
            "a client cannot register: the metadata has no registration_endpoint",
            remedy,
        ));
    };
    let body = json!({
        "client_name": "m2a doctor",
        "redirect_uris": [REDIRECT_URI],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
    });
    let answer = http::send(client.post(endpoint).json(&body), Component::AuthorizationServer).await?;
    check_answer(&answer)
}

fn check_answer(answer: &HttpAnswer) -> Result<String, Fault> {
    let fault = |cause: String, remedy: &str| Fault::new(Component::AuthorizationServer, cause, remedy);
    if answer.status == StatusCode::TOO_MANY_REQUESTS {
        let wait = answer.header("retry-after").unwrap_or("some");
        return Err(fault(
            format!("too many registrations from this address; the next is allowed in {wait} s"),
            "wait, then try again",
        ));
    }
    if answer.status != StatusCode::CREATED {
        let cause = format!("registration answers {}; claude.ai accepts 201 only", answer.status);
        return Err(fault(cause, "read the authorization server's log"));
    }
    let body: Value = answer.json().unwrap_or_default();
    if let Some((name, _)) =
        body.as_object().and_then(|members| members.iter().find(|(_, value)| value.is_null()))
    {
        let cause = format!("the registration's answer contains {name}: null, which clients refuse");
        return Err(fault(cause, "omit members without a value"));
    }
    let registered = serde_json::from_value::<Registered>(body);
    registered
        .map(|registered| registered.client_id)
        .map_err(|_| fault("the registration's answer has no client_id".into(), "see RFC 7591 section 3.2.1"))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;

    #[test]
    fn answers_that_clients_refuse_are_refused_here() {
        let checked = |status: u16, body: &str| {
            check_answer(&HttpAnswer {
                status: StatusCode::from_u16(status).unwrap(),
                headers: HeaderMap::new(),
                body: body.into(),
            })
        };
        assert_eq!(checked(201, r#"{"client_id":"c"}"#), Ok("c".to_owned()));
        assert!(checked(200, r#"{"client_id":"c"}"#).unwrap_err().cause.contains("201 only"));
        assert!(
            checked(201, r#"{"client_id":"c","client_uri":null}"#)
                .unwrap_err()
                .cause
                .contains("client_uri: null")
        );
        assert!(checked(201, "{}").unwrap_err().cause.contains("no client_id"));
        assert!(checked(429, "").unwrap_err().cause.contains("too many"));
    }
}
