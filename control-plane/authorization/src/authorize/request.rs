//! Parses authorization requests (RFC 6749 section 4.1.1, OAuth 2.1, RFC 8707). Pure.
//!
//! Errors about the client or its redirect URI are shown to the person. All others are sent to the
//! client, by redirect with `iss` (RFC 9207).

use protocol::url::Issuer;

use crate::clients::client::Client;
use crate::clients::redirect_uri::RedirectUri;
use crate::error::{ErrorCode, OauthError};
use crate::grants::pkce::Challenge;
use crate::grants::scope::Scopes;
use crate::parameters::Parameters;

/// The longest `state`, in bytes; it is sent back in a URL.
const STATE_BYTES_MAX: usize = 4096;

/// Where the response goes. The redirect URI is one that the client registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReplyTo {
    pub(crate) client_id: String,
    pub(crate) redirect: RedirectUri,
    pub(crate) state: Option<String>,
}

/// A valid request that a person can decide about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuthorizationRequest {
    pub(crate) reply_to: ReplyTo,
    pub(crate) challenge: Challenge,
    pub(crate) scopes: Scopes,
    /// URL of the MCP endpoint.
    pub(crate) resource: String,
}

impl ReplyTo {
    pub(crate) fn parse(parameters: &Parameters, client: &Client) -> Result<Self, OauthError> {
        let refused = |reason, what: &str| OauthError::new(ErrorCode::InvalidRequest, reason, what);
        let requested = parameters
            .get("redirect_uri")
            .ok_or_else(|| refused("redirect_missing", "the request has no redirect_uri"))?;
        let redirect = client.redirect(requested).ok_or_else(|| {
            refused(
                "redirect_mismatch",
                "the redirect_uri of the request is not one that the client registered",
            )
        })?;
        let state = parameters.get("state").map(str::to_owned);
        if state.as_ref().is_some_and(|state| state.len() > STATE_BYTES_MAX) {
            return Err(refused("state_too_long", "the state of the request is too long"));
        }
        Ok(Self { client_id: client.id.clone(), redirect, state })
    }

    /// The redirect that carries the code.
    pub(crate) fn success(&self, issuer: &Issuer, code: &str) -> String {
        self.redirect_with(&[("code", code)], issuer)
    }

    /// The redirect that carries the error.
    pub(crate) fn failure(&self, issuer: &Issuer, error: &OauthError) -> String {
        let parameters = [("error", error.code.as_str()), ("error_description", error.description.as_str())];
        self.redirect_with(&parameters, issuer)
    }

    fn redirect_with(&self, parameters: &[(&str, &str)], issuer: &Issuer) -> String {
        let mut all = parameters.to_vec();
        all.extend(self.state.as_deref().map(|state| ("state", state)));
        all.push(("iss", issuer.as_str()));
        self.redirect.with_parameters(&all)
    }
}

impl AuthorizationRequest {
    /// `is_resource` says whether a URL is an MCP endpoint of this relay.
    pub(crate) fn parse(
        parameters: &Parameters,
        reply_to: ReplyTo,
        is_resource: impl FnOnce(&str) -> bool,
    ) -> Result<Self, OauthError> {
        let refused = |reason, what: &str| Err(OauthError::new(ErrorCode::InvalidRequest, reason, what));
        if parameters.get("response_type") != Some("code") {
            let what = "response_type must be code";
            return Err(OauthError::new(ErrorCode::UnsupportedResponseType, "response_type", what));
        }
        if parameters.get("response_mode").is_some_and(|mode| mode != "query") {
            return refused("response_mode", "response_mode must be query");
        }
        if parameters.get("request").is_some() || parameters.get("request_uri").is_some() {
            return refused("request_object", "request objects are not supported");
        }
        let method = parameters.get("code_challenge_method");
        let challenge = Challenge::parse(parameters.get("code_challenge"), method);
        let challenge = challenge
            .map_err(|error| OauthError::new(ErrorCode::InvalidRequest, "pkce", error.to_string()))?;
        let scopes = parameters.get("scope").map_or_else(|| Ok(Scopes::all()), Scopes::parse);
        let scopes = scopes.map_err(|_| no_known_scope())?;
        let resource = parameters.get("resource").filter(|url| is_resource(url)).ok_or_else(|| {
            let what = "resource must be exactly the URL of an MCP endpoint of this relay";
            OauthError::new(ErrorCode::InvalidTarget, "resource", what)
        })?;
        Ok(Self { reply_to, challenge, scopes, resource: resource.to_owned() })
    }

    /// The request as a query, for the forms that carry it through sign-in and consent.
    pub(crate) fn to_query(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.reply_to.client_id)
            .append_pair("redirect_uri", self.reply_to.redirect.as_str())
            .append_pair("code_challenge", &self.challenge.text())
            .append_pair("code_challenge_method", "S256")
            .append_pair("scope", &self.scopes.to_string())
            .append_pair("resource", &self.resource);
        if let Some(state) = &self.reply_to.state {
            query.append_pair("state", state);
        }
        query.finish()
    }
}

fn no_known_scope() -> OauthError {
    let what = "scope has none of mcp:read, mcp:send, mcp:tasks";
    OauthError::new(ErrorCode::InvalidScope, "scope", what)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RESOURCE: &str = "https://mcp.example/alice";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn client() -> Client {
        let redirect_uris = vec![RedirectUri::parse("https://client.example/cb").unwrap()];
        Client { id: "c".into(), name: "C".into(), redirect_uris }
    }

    fn query(changes: &[(&str, &str)]) -> Parameters {
        let mut pairs = vec![
            ("response_type", "code"),
            ("client_id", "c"),
            ("redirect_uri", "https://client.example/cb"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("resource", RESOURCE),
            ("state", "s p&c"),
        ];
        pairs.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
        pairs.extend(changes);
        let mut text = url::form_urlencoded::Serializer::new(String::new());
        Parameters::parse(text.extend_pairs(pairs).finish().as_bytes()).unwrap()
    }

    fn parse(parameters: &Parameters) -> Result<AuthorizationRequest, OauthError> {
        let reply_to = ReplyTo::parse(parameters, &client())?;
        AuthorizationRequest::parse(parameters, reply_to, |url| url == RESOURCE)
    }

    #[test]
    fn every_refusal_has_its_reason() {
        for (change, reason) in [
            (("redirect_uri", ""), "redirect_missing"),
            (("redirect_uri", "https://client.example/other"), "redirect_mismatch"),
            (("state", "x".repeat(5000).as_str()), "state_too_long"),
            (("response_type", "token"), "response_type"),
            (("response_mode", "fragment"), "response_mode"),
            (("request", "x"), "request_object"),
            (("request_uri", "https://client.example/request"), "request_object"),
            (("code_challenge_method", "plain"), "pkce"),
            (("code_challenge", ""), "pkce"),
            (("scope", "admin"), "scope"),
            (("resource", ""), "resource"),
            (("resource", "https://mcp.example/Alice"), "resource"),
            (("resource", "https://mcp.example/alice/"), "resource"),
        ] {
            assert_eq!(parse(&query(&[change])).unwrap_err().reason, reason, "{change:?}");
        }
    }

    #[test]
    fn answers_carry_state_and_issuer() {
        let issuer: Issuer = "https://relay.example".parse().unwrap();
        let request = parse(&query(&[])).unwrap();
        let success = request.reply_to.success(&issuer, "x");
        assert_eq!(success, "https://client.example/cb?code=x&state=s+p%26c&iss=https%3A%2F%2Frelay.example");
        let denied = OauthError::new(ErrorCode::AccessDenied, "denied", "no");
        let failure = request.reply_to.failure(&issuer, &denied);
        assert!(
            failure.contains("error=access_denied") && failure.ends_with("iss=https%3A%2F%2Frelay.example")
        );
    }

    proptest! {
        #[test]
        fn a_request_survives_its_way_through_forms(state in "\\PC{1,40}", read: bool) {
            let scope = if read { "mcp:read" } else { "mcp:tasks mcp:send" };
            let request = parse(&query(&[("state", &state), ("scope", scope)])).unwrap();
            let again = Parameters::parse(request.to_query().as_bytes()).unwrap();
            prop_assert_eq!(parse(&again).unwrap(), request);
        }

        #[test]
        fn no_query_makes_the_parser_panic(bytes: Vec<u8>) {
            if let Ok(parameters) = Parameters::parse(&bytes) {
                let _ = parse(&parameters);
            }
        }
    }
}
