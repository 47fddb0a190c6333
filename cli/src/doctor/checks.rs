//! Runs the checks in the order of a client, in three parts: reach the endpoint, sign in, use a
//! token.
//!
//! A part ends at its first fault. Without the first part there are no others. The third part needs
//! a token, but not the second part.

use std::sync::Arc;
use std::time::SystemTime;

use reqwest::Client;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::challenge::{self, Challenge};
use super::finding::{Component, Fault, Finding, Step, Verdict};
use super::http::{self, HttpAnswer};
use super::target::Target;
use super::{
    authorization, client_registration, issuer_metadata, mcp_checks, mcp_request, network, resource_metadata,
    token,
};

/// The value of a passed step. The error is recorded as a finding.
type StepResult<T> = Result<T, ()>;

struct Checks<'a, F> {
    target: &'a Target,
    client: Client,
    show: F,
    findings: Vec<Finding>,
}

/// Runs all checks. Calls `show` with each finding as soon as it is known.
pub(super) async fn run(target: &Target, show: impl FnMut(&Finding)) -> Vec<Finding> {
    let tls = http::tls_config(target);
    let Ok(client) = http::client(&tls, target.proxy.as_deref()) else {
        let fault = Fault::new(
            Component::Client,
            "cannot build the HTTP client",
            "use --ca-file with valid certificates",
        );
        return vec![Finding { step: Step::Tls, verdict: Verdict::Failed(fault) }];
    };
    let mut checks = Checks { target, client, show, findings: Vec::new() };
    if let Ok(challenge) = checks.reach(tls).await {
        // The findings contain the faults of this part. The next part does not depend on it.
        let _ = checks.sign_in(&challenge).await;
        let _ = checks.use_token().await;
    }
    checks.findings
}

impl<F: FnMut(&Finding)> Checks<'_, F> {
    async fn reach(&mut self, tls: Arc<rustls::ClientConfig>) -> StepResult<Challenge> {
        let resolved = network::resolve(self.target).await;
        let addresses = self.record(Step::Name, resolved, |found| format!("{} address(es)", found.len()))?;
        let connected = network::connect(&addresses).await;
        let (stream, _) =
            self.record(Step::Port, connected, |(_, address)| format!("{address} accepts connections"))?;
        if self.target.is_tls() {
            let handshake = network::tls_handshake(stream, self.target, tls).await;
            self.record(Step::Tls, handshake, Clone::clone)?;
        }
        let answer = self.discover(None).await;
        let checked = answer.and_then(|answer| {
            http::check_clock_skew(&answer, SystemTime::now(), Component::Endpoint)?;
            challenge::check_answer(&answer, self.target)
        });
        self.record(Step::Challenge, checked, |challenge| match challenge {
            Challenge::Metadata(url) => format!("401, metadata at {url}"),
            Challenge::KeyOnly => "401, an API key is required".into(),
        })
    }

    async fn sign_in(&mut self, challenge: &Challenge) -> StepResult<()> {
        let Challenge::Metadata(metadata_url) = challenge else {
            return self.skip_sign_in();
        };
        let found = resource_metadata::fetch(&self.client, self.target, metadata_url).await;
        let resource =
            self.record(Step::Resource, found, |_| "it describes this URL, at every location".into())?;
        let issuer = resource.authorization_servers.first().cloned().unwrap_or_default();
        let found = issuer_metadata::fetch(&self.client, &issuer).await;
        let metadata = self.record(Step::Issuer, found, |metadata| metadata.issuer.clone())?;
        let registered = client_registration::register(&self.client, &metadata).await;
        let documents = metadata.client_id_metadata_document_supported;
        let client_id = self.record(Step::Registration, registered, |_| {
            if documents { "registered; metadata documents are accepted, too" } else { "registered" }.into()
        })?;
        let checked = authorization::check_endpoint(
            &self.client,
            self.target,
            &metadata,
            &client_id,
            &resource.scopes_supported,
        )
        .await;
        self.record(Step::Authorization, checked, Clone::clone).map(drop)
    }

    /// An endpoint without sign-in is a fault only if there is no token.
    fn skip_sign_in(&mut self) -> StepResult<()> {
        if self.target.token.is_some() {
            self.skip(Step::Resource, "the endpoint offers no sign-in; an API key is given");
            return Ok(());
        }
        let fault = Fault::new(
            Component::Endpoint,
            "the 401 names no resource metadata, so that clients cannot sign in",
            "configure an authorization server for the endpoint, or send the API key in the header Authorization: Bearer",
        );
        self.record(Step::Resource, Err::<(), _>(fault), |()| String::new())
    }

    async fn use_token(&mut self) -> StepResult<()> {
        let Some(token) = self.target.token.clone() else {
            self.skip(Step::Token, "no token is given (--token-file); the remaining steps need one");
            return Err(());
        };
        let answer = self.discover(Some(&token)).await;
        let accepted = answer.and_then(|answer| token::check_answer(&answer).map(|()| answer));
        let answer = self.record(Step::Token, accepted, |_| "the endpoint accepts it".into())?;
        self.record(Step::Discover, mcp_checks::check_discovery(&answer), Clone::clone)?;
        let listed = self
            .send("tools/list", None, json!({}), Some(&token))
            .await
            .and_then(|answer| mcp_checks::check_tools(&answer));
        self.record(Step::Tools, listed, Clone::clone)?;
        let call = json!({"name": mcp_checks::READ_ONLY_TOOL, "arguments": {"limit": 1}});
        let called = self.send("tools/call", Some(mcp_checks::READ_ONLY_TOOL), call, Some(&token)).await;
        self.record(Step::Call, called.and_then(|answer| mcp_checks::check_call(&answer)), Clone::clone)
            .map(drop)
    }

    async fn discover(&self, token: Option<&Zeroizing<String>>) -> Result<HttpAnswer, Fault> {
        self.send("server/discover", None, json!({}), token).await
    }

    async fn send(
        &self,
        method: &str,
        name: Option<&str>,
        params: Value,
        token: Option<&Zeroizing<String>>,
    ) -> Result<HttpAnswer, Fault> {
        let mut request = mcp_request::build(&self.client, self.target, method, name, params);
        if let Some(token) = token {
            request = request.bearer_auth(token.as_str());
        }
        http::send(request, Component::Endpoint).await
    }

    /// Records the result of a step, and returns its value.
    fn record<T>(
        &mut self,
        step: Step,
        found: Result<T, Fault>,
        saw: impl FnOnce(&T) -> String,
    ) -> StepResult<T> {
        match found {
            Ok(found) => {
                self.add(step, Verdict::Passed { saw: saw(&found) });
                Ok(found)
            }
            Err(fault) => {
                self.add(step, Verdict::Failed(fault));
                Err(())
            }
        }
    }

    fn skip(&mut self, step: Step, why: &str) {
        self.add(step, Verdict::Skipped { why: why.into() });
    }

    fn add(&mut self, step: Step, verdict: Verdict) {
        let finding = Finding { step, verdict };
        (self.show)(&finding);
        self.findings.push(finding);
    }
}
