//! The page where a person signs in. It is asked for and not filled in.

use reqwest::header::LOCATION;
use reqwest::{Client, Url};

use super::finding::{Fault, Side};
use super::issuer::IssuerMetadata;
use super::registration::REDIRECT;
use super::target::Target;
use super::web::{self, Seen};

/// Of RFC 7636 appendix B: nobody will redeem it.
const CODE_CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub(super) async fn ask(
    client: &Client,
    target: &Target,
    metadata: &IssuerMetadata,
    client_id: &str,
    scopes: &[String],
) -> Result<String, Fault> {
    let mut url: Url = metadata.authorization_endpoint.parse().map_err(|_| {
        Fault::new(
            Side::AuthorizationServer,
            "authorization_endpoint is no URL",
            "see the relay's settings for its public URL",
        )
    })?;
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", client_id)
        .append_pair("redirect_uri", REDIRECT)
        .append_pair("code_challenge", CODE_CHALLENGE)
        .append_pair("code_challenge_method", "S256")
        .append_pair("resource", &target.text)
        .append_pair("scope", &scopes.join(" "))
        .append_pair("state", "doctor");
    judge(&web::ask(client.get(url), Side::AuthorizationServer).await?)
}

fn judge(seen: &Seen) -> Result<String, Fault> {
    let location = seen.header(LOCATION.as_str()).unwrap_or_default();
    if let Some(error) = seen.status.is_redirection().then(|| error_of(location)).flatten() {
        let cause = format!("the authorization server refuses the request of a client: {error}");
        let remedy = match error.split(':').next() {
            Some("invalid_target") => {
                "it does not know this MCP URL: see whether the Agent is Ready, and whether the URL is pasted exactly"
            }
            _ => "see the authorization server's log",
        };
        return Err(Fault::new(Side::AuthorizationServer, cause, remedy));
    }
    if seen.status.is_success() || seen.status.is_redirection() {
        return Ok("a person can sign in".into());
    }
    let cause = format!("the page to sign in answers {}", seen.status);
    Err(Fault::new(Side::AuthorizationServer, cause, "see the authorization server's log"))
}

/// `error` and its description in the query of a redirect (RFC 6749 section 4.1.2.1).
fn error_of(location: &str) -> Option<String> {
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

    fn judged(status: u16, location: Option<&str>) -> Result<String, Fault> {
        let mut headers = HeaderMap::new();
        headers.extend(location.map(|value| (LOCATION, value.parse().unwrap())));
        judge(&Seen { status: StatusCode::from_u16(status).unwrap(), headers, body: Vec::new() })
    }

    #[test]
    fn a_page_and_a_way_to_it_are_both_fine() {
        assert!(judged(200, None).is_ok());
        assert!(judged(303, Some("https://accounts.example.com/sign-in")).is_ok());
    }

    #[test]
    fn a_refusal_is_told_with_its_code() {
        let refused = judged(
            302,
            Some("http://localhost:1/callback?error=invalid_target&error_description=unknown+resource&iss=x"),
        );
        let fault = refused.unwrap_err();
        assert!(fault.cause.contains("invalid_target: unknown resource"), "{}", fault.cause);
        assert!(fault.remedy.contains("MCP URL"));
        assert!(judged(500, None).unwrap_err().cause.contains("500"));
    }
}
