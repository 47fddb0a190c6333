//! How a client that nobody knows becomes one: its own metadata document, or RFC 7591.

use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::finding::{Fault, Side};
use super::issuer::IssuerMetadata;
use super::web::{self, Seen};

/// Loopback, where nobody listens: this client never signs in.
pub(super) const REDIRECT: &str = "http://localhost:1/callback";

#[derive(Debug, Deserialize)]
struct Registered {
    client_id: String,
}

/// The client id to go on with.
pub(super) async fn register(client: &Client, metadata: &IssuerMetadata) -> Result<String, Fault> {
    let Some(endpoint) = &metadata.registration_endpoint else {
        let remedy = "turn registration on, or accept client id metadata documents";
        return Err(Fault::new(
            Side::AuthorizationServer,
            "a client cannot register: the metadata has no registration_endpoint",
            remedy,
        ));
    };
    let body = json!({
        "client_name": "m2a doctor",
        "redirect_uris": [REDIRECT],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
    });
    let seen = web::ask(client.post(endpoint).json(&body), Side::AuthorizationServer).await?;
    judge(&seen)
}

fn judge(seen: &Seen) -> Result<String, Fault> {
    let fault = |cause: String, remedy: &str| Fault::new(Side::AuthorizationServer, cause, remedy);
    if seen.status == StatusCode::TOO_MANY_REQUESTS {
        let wait = seen.header("retry-after").unwrap_or("some");
        return Err(fault(
            format!("too many registrations came from here; the next may come in {wait} s"),
            "wait",
        ));
    }
    if seen.status != StatusCode::CREATED {
        let cause = format!("registration answers {}; claude.ai accepts 201 only", seen.status);
        return Err(fault(cause, "see the authorization server's log"));
    }
    let body: Value = seen.json().unwrap_or_default();
    if let Some((name, _)) =
        body.as_object().and_then(|members| members.iter().find(|(_, value)| value.is_null()))
    {
        let cause = format!("the answer of the registration has {name}: null, which clients refuse");
        return Err(fault(cause, "members without a value are left out"));
    }
    let registered = serde_json::from_value::<Registered>(body);
    registered.map(|registered| registered.client_id).map_err(|_| {
        fault("the answer of the registration has no client_id".into(), "see RFC 7591 section 3.2.1")
    })
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;

    #[test]
    fn what_clients_refuse_is_refused_here() {
        let judged = |status: u16, body: &str| {
            judge(&Seen {
                status: StatusCode::from_u16(status).unwrap(),
                headers: HeaderMap::new(),
                body: body.into(),
            })
        };
        assert_eq!(judged(201, r#"{"client_id":"c"}"#), Ok("c".to_owned()));
        assert!(judged(200, r#"{"client_id":"c"}"#).unwrap_err().cause.contains("201 only"));
        assert!(
            judged(201, r#"{"client_id":"c","client_uri":null}"#)
                .unwrap_err()
                .cause
                .contains("client_uri: null")
        );
        assert!(judged(201, "{}").unwrap_err().cause.contains("no client_id"));
        assert!(judged(429, "").unwrap_err().cause.contains("too many"));
    }
}
