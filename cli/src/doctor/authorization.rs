//! Checks the authorization endpoint, where a person signs in. It requests the page without signing
//! in.

use reqwest::header::LOCATION;
use reqwest::{Client, Url};

use super::client_registration::REDIRECT_URI;
use super::finding::{Component, Fault};
use super::http::{self, HttpAnswer};
use super::issuer_metadata::IssuerMetadata;
use super::target::Target;

/// The example of RFC 7636 appendix B. The code is never redeemed.
const CODE_CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub(super) async fn check_endpoint(
    client: &Client,
    target: &Target,
    metadata: &IssuerMetadata,
    client_id: &str,
    scopes: &[String],
) -> Result<String, Fault> {
    let mut url: Url = metadata.authorization_endpoint.parse().map_err(|_| {
        Fault::new(
            Component::AuthorizationServer,
            "authorization_endpoint is not a URL",
            "check the public URL in the relay's settings",
        )
    })?;
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", client_id)
        .append_pair("redirect_uri", REDIRECT_URI)
        .append_pair("code_challenge", CODE_CHALLENGE)
        .append_pair("code_challenge_method", "S256")
        .append_pair("resource", &target.text)
        .append_pair("scope", &scopes.join(" "))
        .append_pair("state", "doctor");
    check_answer(&http::send(client.get(url), Component::AuthorizationServer).await?)
}

fn check_answer(answer: &HttpAnswer) -> Result<String, Fault> {
    let location = answer.header(LOCATION.as_str()).unwrap_or_default();
    if let Some(error) = answer.status.is_redirection().then(|| error_in(location)).flatten() {
        let cause = format!("the authorization server refuses a client's request: {error}");
        let remedy = match error.split(':').next() {
            Some("invalid_target") => {
                "it does not know this MCP URL: check that the Agent is Ready and that the URL is exact"
            }
            _ => "read the authorization server's log",
        };
        return Err(Fault::new(Component::AuthorizationServer, cause, remedy));
    }
    if answer.status.is_success() || answer.status.is_redirection() {
        return Ok("the sign-in page is available".into());
    }
    let cause = format!("the sign-in page answers {}", answer.status);
    Err(Fault::new(Component::AuthorizationServer, cause, "read the authorization server's log"))
}

/// `error` and its description in the query of a redirect (RFC 6749 section 4.1.2.1).
fn error_in(location: &str) -> Option<String> {
    let url: Url = location.parse().ok()?;
    let value =
        |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let error = value("error")?;
    Some(value("error_description").map_or(error.clone(), |description| format!("{error}: {description}")))
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;
    use reqwest::header::HeaderMap;

    use super::*;

    fn checked(status: u16, location: Option<&str>) -> Result<String, Fault> {
        let mut headers = HeaderMap::new();
        headers.extend(location.map(|value| (LOCATION, value.parse().unwrap())));
        check_answer(&HttpAnswer { status: StatusCode::from_u16(status).unwrap(), headers, body: Vec::new() })
    }

    #[test]
    fn a_page_and_a_redirect_to_it_both_pass() {
        assert!(checked(200, None).is_ok());
        assert!(checked(303, Some("https://accounts.example.com/sign-in")).is_ok());
    }

    #[test]
    fn a_refusal_is_reported_with_its_code() {
        let refused = checked(
            302,
            Some("http://localhost:1/callback?error=invalid_target&error_description=unknown+resource&iss=x"),
        );
        let fault = refused.unwrap_err();
        assert!(fault.cause.contains("invalid_target: unknown resource"), "{}", fault.cause);
        assert!(fault.remedy.contains("MCP URL"));
        assert!(checked(500, None).unwrap_err().cause.contains("500"));
    }
}
