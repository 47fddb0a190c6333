//! The order of the steps. Three legs: the way to the endpoint, the way to a token, and the use of one. A leg ends at its first
//! fault; without the first there are no others, and with a token at hand the third does not need the second.

use std::sync::Arc;
use std::time::SystemTime;

use reqwest::Client;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::challenge::{self, Challenge};
use super::finding::{Fault, Finding, Side, Step, Verdict};
use super::target::Target;
use super::web::Seen;
use super::{authorization, bearer, issuer, reach, registration, resource, rpc, usage, web};

type Passed<T> = Result<T, ()>;

struct Walk<'a, F> {
    target: &'a Target,
    client: Client,
    show: F,
    findings: Vec<Finding>,
}

/// All steps, each shown as soon as it is done.
pub(super) async fn walk(target: &Target, show: impl FnMut(&Finding)) -> Vec<Finding> {
    let tls = web::tls(target);
    let Ok(client) = web::client(&tls, target.proxy.as_deref()) else {
        let fault =
            Fault::new(Side::Client, "HTTP cannot be prepared", "give --ca-file with usable certificates");
        return vec![Finding { step: Step::Tls, verdict: Verdict::Failed(fault) }];
    };
    let mut walk = Walk { target, client, show, findings: Vec::new() };
    if let Ok(challenge) = walk.reach(tls).await {
        // What is missing on this leg is told by its findings; the next one stands on a token of its own.
        let _ = walk.sign_in(&challenge).await;
        let _ = walk.use_token().await;
    }
    walk.findings
}

impl<F: FnMut(&Finding)> Walk<'_, F> {
    async fn reach(&mut self, tls: Arc<rustls::ClientConfig>) -> Passed<Challenge> {
        let found = reach::name(self.target).await;
        let addresses = self.passed(Step::Name, found, |found| format!("{} address(es)", found.len()))?;
        let connected = reach::port(&addresses).await;
        let (stream, _) =
            self.passed(Step::Port, connected, |(_, address)| format!("{address} takes connections"))?;
        if self.target.is_tls() {
            let secured = reach::tls(stream, self.target, tls).await;
            self.passed(Step::Tls, secured, Clone::clone)?;
        }
        let asked = self.discover(None).await;
        let judged = asked.and_then(|seen| {
            web::skew(&seen, SystemTime::now(), Side::Endpoint)?;
            challenge::judge(&seen, self.target)
        });
        self.passed(Step::Challenge, judged, |challenge| match challenge {
            Challenge::Metadata(url) => format!("401, metadata at {url}"),
            Challenge::KeyOnly => "401, an API key is wanted".into(),
        })
    }

    async fn sign_in(&mut self, challenge: &Challenge) -> Passed<()> {
        let Challenge::Metadata(named) = challenge else {
            return self.no_sign_in();
        };
        let found = resource::read(&self.client, self.target, named).await;
        let resource =
            self.passed(Step::Resource, found, |_| "it names this very URL, at every place".into())?;
        let named = resource.authorization_servers.first().cloned().unwrap_or_default();
        let found = issuer::read(&self.client, &named).await;
        let metadata = self.passed(Step::Issuer, found, |metadata| metadata.issuer.clone())?;
        let registered = registration::register(&self.client, &metadata).await;
        let documents = metadata.client_id_metadata_document_supported;
        let client_id = self.passed(Step::Registration, registered, |_| {
            if documents { "registered; metadata documents are accepted too" } else { "registered" }.into()
        })?;
        let asked =
            authorization::ask(&self.client, self.target, &metadata, &client_id, &resource.scopes_supported)
                .await;
        self.passed(Step::Authorization, asked, Clone::clone).map(drop)
    }

    /// Fine for who has a key, the end for who wanted to sign in.
    fn no_sign_in(&mut self) -> Passed<()> {
        if self.target.token.is_some() {
            self.skipped(Step::Resource, "the endpoint offers no sign-in, and a key is at hand");
            return Ok(());
        }
        let fault = Fault::new(
            Side::Endpoint,
            "the 401 names no resource metadata: a client that signs in stops here",
            "give the endpoint an authorization server, or give the client the API key as header Authorization: Bearer",
        );
        self.passed(Step::Resource, Err::<(), _>(fault), |()| String::new())
    }

    async fn use_token(&mut self) -> Passed<()> {
        let Some(token) = self.target.token.clone() else {
            self.skipped(Step::Token, "no token was given (--token-file), so that the walk ends here");
            return Err(());
        };
        let asked = self.discover(Some(&token)).await;
        let taken = asked.and_then(|seen| bearer::judge(&seen).map(|()| seen));
        let seen = self.passed(Step::Token, taken, |_| "the endpoint takes it".into())?;
        self.passed(Step::Discover, usage::discovered(&seen), Clone::clone)?;
        let listed =
            self.ask("tools/list", None, json!({}), Some(&token)).await.and_then(|seen| usage::tools(&seen));
        self.passed(Step::Tools, listed, Clone::clone)?;
        let call = json!({"name": usage::HARMLESS_TOOL, "arguments": {"limit": 1}});
        let called = self.ask("tools/call", Some(usage::HARMLESS_TOOL), call, Some(&token)).await;
        self.passed(Step::Call, called.and_then(|seen| usage::called(&seen)), Clone::clone).map(drop)
    }

    async fn discover(&self, token: Option<&Zeroizing<String>>) -> Result<Seen, Fault> {
        self.ask("server/discover", None, json!({}), token).await
    }

    async fn ask(
        &self,
        method: &str,
        name: Option<&str>,
        params: Value,
        token: Option<&Zeroizing<String>>,
    ) -> Result<Seen, Fault> {
        let mut request = rpc::request(&self.client, self.target, method, name, params);
        if let Some(token) = token {
            request = request.bearer_auth(token.as_str());
        }
        web::ask(request, Side::Endpoint).await
    }

    /// Notes what a step came to, and gives what it found.
    fn passed<T>(
        &mut self,
        step: Step,
        found: Result<T, Fault>,
        saw: impl FnOnce(&T) -> String,
    ) -> Passed<T> {
        match found {
            Ok(found) => {
                self.note(step, Verdict::Passed { saw: saw(&found) });
                Ok(found)
            }
            Err(fault) => {
                self.note(step, Verdict::Failed(fault));
                Err(())
            }
        }
    }

    fn skipped(&mut self, step: Step, why: &str) {
        self.note(step, Verdict::Skipped { why: why.into() });
    }

    fn note(&mut self, step: Step, verdict: Verdict) {
        let finding = Finding { step, verdict };
        (self.show)(&finding);
        self.findings.push(finding);
    }
}
