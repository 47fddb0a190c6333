//! The operator's client of the model relays.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use protocol::Reason;
use protocol::admin::{
    self, AgentBatch, AgentSpec, AgentView, AgentWrite, Applied, BatchApplied, BatchResult, DeletionPolicy,
    Page, Problem, TenantView, Term, Version,
};
use protocol::did::TenantId;
use tokio::time::Instant;

use super::relay_volume::WriteKind;
use super::{ModelRelayState, ModelRelays};
use crate::object_key::NamespacedName;
use crate::relay_api::{RelayApi, RelayError, Target, Writer};
use crate::simulator::flaw::Flaw;
use crate::simulator::network::{ModelNetwork, RequestFate};

/// As the timeout of the real client.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Entries in a page: few, so that lists have several.
const PAGE_MAX: usize = 3;

#[derive(Debug)]
pub(crate) struct ModelRelayApi {
    relays: ModelRelays,
    network: ModelNetwork,
}

type Sent<T> = BoxFuture<'static, Result<T, RelayError>>;

impl ModelRelayApi {
    pub(crate) fn new(relays: ModelRelays, network: ModelNetwork) -> Arc<Self> {
        Arc::new(Self { relays, network })
    }

    fn sent_term(&self, term: Option<Term>) -> Option<Term> {
        term.filter(|_| self.network.flaw() != Some(Flaw::ForgottenTerm))
    }

    /// The answer to a write. With the flaw, a write that failed counts as acknowledged.
    fn acknowledged<T: Send + 'static>(&self, sent: Sent<T>, early: T) -> Sent<T> {
        if self.network.flaw() != Some(Flaw::EarlyAcknowledgement) {
            return sent;
        }
        async move { Ok(sent.await.unwrap_or(early)) }.boxed()
    }

    /// Carries one request. The request goes on when the caller gives up waiting.
    fn call<T: Send + 'static>(
        &self,
        target: &Target,
        is_write: bool,
        work: impl FnOnce(&mut ModelRelayState, &NamespacedName) -> Result<T, Reason> + Send + 'static,
    ) -> Sent<T> {
        let (relays, network, target) = (self.relays.clone(), self.network.clone(), target.clone());
        let address = target.address;
        async move {
            network.awake().await;
            let carried = async move { carry(&relays, &network, &target, is_write, work).await };
            let carried = tokio::spawn(carried);
            match tokio::time::timeout(REQUEST_TIMEOUT, carried).await {
                Ok(answer) => answer.unwrap(),
                Err(elapsed) => Err(RelayError::Reach { address, source: elapsed.into() }),
            }
        }
        .boxed()
    }
}

async fn carry<T>(
    relays: &ModelRelays,
    network: &ModelNetwork,
    target: &Target,
    is_write: bool,
    work: impl FnOnce(&mut ModelRelayState, &NamespacedName) -> Result<T, Reason>,
) -> Result<T, RelayError> {
    let plan = network.plan(is_write);
    let broken = || reach(target, "connection reset by peer");
    tokio::time::sleep(plan.delay).await;
    if network.is_cut() {
        return std::future::pending().await;
    }
    match plan.fate {
        RequestFate::TooManyRequests | RequestFate::Unavailable => {
            let detail = "the relay is busy".to_owned();
            return Err(RelayError::Refused { address: target.address, status: 503, reason: None, detail });
        }
        RequestFate::Unsent => return Err(broken()),
        _ => {}
    }
    let answer = match relays.with(|state| receive(state, target, work)) {
        Some(answer) => answer,
        None => return std::future::pending().await,
    };
    if network.is_cut() {
        return std::future::pending().await;
    }
    match plan.fate {
        RequestFate::AnswerLost => Err(broken()),
        // Applied, and answered only after the client's timeout.
        RequestFate::ConflictAfterCommit => std::future::pending().await,
        _ => answer,
    }
}

fn reach(target: &Target, why: &str) -> RelayError {
    RelayError::Reach { address: target.address, source: why.into() }
}

/// `None`: the request disappears.
fn receive<T>(
    state: &mut ModelRelayState,
    target: &Target,
    work: impl FnOnce(&mut ModelRelayState, &NamespacedName) -> Result<T, Reason>,
) -> Option<Result<T, RelayError>> {
    let Some((name, relay)) = state.at(target.address.ip()) else {
        return Some(Err(reach(target, "connection refused")));
    };
    if relay.unreachable_until.is_some_and(|until| Instant::now() < until) {
        return None;
    }
    let refused = |status, reason: Option<Reason>, detail: &str| RelayError::Refused {
        address: target.address,
        status,
        reason,
        detail: detail.into(),
    };
    if *relay.token != **target.access.token {
        return Some(Err(refused(401, None, "the token is wrong")));
    }
    let name = name.clone();
    let refusal = |reason: Reason| refused(reason.http_status(), Some(reason), reason.advice());
    Some(work(state, &name).map_err(refusal))
}

/// With the flaw, the writer succeeds whoever owns the entry.
fn steal(
    flaw: Option<Flaw>,
    state: &ModelRelayState,
    relay: &NamespacedName,
    path: &str,
    writer: &mut Writer,
) {
    if flaw == Some(Flaw::StolenEntry) {
        writer.former_owner = state.volume_of(relay).and_then(|volume| volume.owner_at(path));
    }
}

/// The same write as a request of its own.
pub(crate) fn write_of(item: &AgentWrite, term: Option<Term>) -> (String, Writer, serde_json::Value) {
    let writer = Writer {
        owner: item.owner.clone(),
        former_owner: item.former_owner.clone(),
        if_owned: item.if_owned,
        term,
    };
    (admin::agent_path(&item.tenant, &item.name), writer, serde_json::to_value(&item.spec).unwrap())
}

fn put_one(
    flaw: Option<Flaw>,
    state: &mut ModelRelayState,
    relay: &NamespacedName,
    term: Option<Term>,
    item: &AgentWrite,
) -> BatchResult {
    let (path, mut writer, body) = write_of(item, term);
    steal(flaw, state, relay, &path, &mut writer);
    match state.write(relay, &path, &writer, WriteKind::Put(body)) {
        Ok(applied) => BatchResult::Applied(applied),
        Err(reason) => BatchResult::Problem(Problem::new(reason, None)),
    }
}

impl RelayApi for ModelRelayApi {
    fn version<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Result<Version, RelayError>> {
        self.call(target, false, |state, relay| Ok(state.version(&state.relays[relay])))
    }

    fn put<'a>(
        &'a self,
        target: &'a Target,
        path: &'a str,
        writer: &'a Writer,
        body: serde_json::Value,
    ) -> BoxFuture<'a, Result<Applied, RelayError>> {
        let (path, mut writer, mut body) = (path.to_owned(), writer.clone(), body);
        if self.network.flaw() == Some(Flaw::LostSuspension) && !body["suspended"].is_null() {
            body["suspended"] = false.into();
        }
        writer.term = self.sent_term(writer.term);
        let flaw = self.network.flaw();
        let sent = self.call(target, true, move |state, relay| {
            steal(flaw, state, relay, &path, &mut writer);
            state.write(relay, &path, &writer, WriteKind::Put(body))
        });
        self.acknowledged(sent, Applied::at(1))
    }

    fn delete<'a>(
        &'a self,
        target: &'a Target,
        path: &'a str,
        writer: &'a Writer,
        policy: Option<DeletionPolicy>,
    ) -> BoxFuture<'a, Result<Applied, RelayError>> {
        let (path, writer) = (path.to_owned(), writer.clone());
        self.call(target, true, move |state, relay| {
            state.write(relay, &path, &writer, WriteKind::Delete(policy))
        })
    }

    fn tenants<'a>(
        &'a self,
        target: &'a Target,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page<TenantView>, RelayError>> {
        let after = after.map(str::to_owned);
        self.call(target, false, move |state, relay| {
            Ok(state.volume_of(relay).unwrap().tenant_page(after.as_deref(), PAGE_MAX))
        })
    }

    fn agents<'a>(
        &'a self,
        target: &'a Target,
        tenant: &'a TenantId,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page<AgentView>, RelayError>> {
        let (tenant, after) = (tenant.clone(), after.map(str::to_owned));
        let is_wrong = self.network.flaw() == Some(Flaw::WrongDigest);
        self.call(target, false, move |state, relay| {
            let domain = &state.relays[relay].domain;
            let page =
                state.volume_of(relay).unwrap().agent_page(domain, &tenant, after.as_deref(), PAGE_MAX);
            let mut page = page.ok_or(Reason::NotFound)?;
            if is_wrong {
                page.items.iter_mut().for_each(|item| item.digest = Some(AgentSpec::default().digest()));
            }
            Ok(page)
        })
    }

    fn put_agents<'a>(
        &'a self,
        target: &'a Target,
        term: Option<Term>,
        batch: &'a AgentBatch,
    ) -> BoxFuture<'a, Result<BatchApplied, RelayError>> {
        let (mut items, term) = (batch.items.clone(), self.sent_term(term));
        if self.network.flaw() == Some(Flaw::LostSuspension) {
            items.iter_mut().for_each(|item| item.spec.suspended = false);
        }
        let early = items.iter().map(|_| BatchResult::Applied(Applied::at(1))).collect();
        let flaw = self.network.flaw();
        let sent = self.call(target, true, move |state, relay| {
            let results = items.iter().map(|item| put_one(flaw, state, relay, term, item)).collect();
            Ok(BatchApplied { results })
        });
        self.acknowledged(sent, BatchApplied { results: early })
    }
}
