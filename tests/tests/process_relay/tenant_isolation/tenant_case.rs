//! Runs the actions of one case at the relay and compares each answer with the model.

use std::collections::BTreeSet;

use devtools::relay_process::{Admin, RelayProcess};
use protocol::admin::{AgentView, Page, Problem, TenantSpec, agent_path, tenant_path};
use protocol::api_key::ApiKey;
use protocol::envelope::{Class, Content, Draft, MessageId, MessageType, seal};
use protocol::frame::{
    ChallengeParams, ChallengeResult, DeliverParams, DiscoverParams, DiscoverResult, LookupParams,
    LookupResult, NoticeParams, SendResult, SendStatus, method,
};
use protocol::record::{VerifiedRecord, build};
use protocol::{Envelope, Identity, Reason, base64url};
use serde::Serialize;

use super::action::Action;
use super::visibility_model::{self, AGENTS, DECLARED, Side, Whom};
use crate::raw_connection::{Answer, RawConnection, now};

pub(super) struct TenantCase<'a> {
    relay: &'a RelayProcess,
    admin: Admin,
    case: u32,
    agents: Vec<ConnectedAgent>,
    coverage: Coverage,
}

struct ConnectedAgent {
    identity: Identity,
    record: VerifiedRecord,
    key: ApiKey,
    line: Option<RawConnection>,
    sent: BTreeSet<MessageId>,
    /// Taken by the relay for this agent; the reliable ones must arrive.
    expected: BTreeSet<MessageId>,
    reliable: BTreeSet<MessageId>,
    arrived: BTreeSet<MessageId>,
}

/// Counts of what happened, so that a property over nothing is noticed.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    delivered: usize,
    found: usize,
    refused: usize,
}

impl Coverage {
    pub(super) fn add(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.found += other.found;
        self.refused += other.refused;
    }

    pub(super) fn is_telling(&self) -> bool {
        self.delivered > 20 && self.found > 20 && self.refused > 100
    }
}

impl<'a> TenantCase<'a> {
    pub(super) async fn new(relay: &'a RelayProcess, case: u32) -> Self {
        let admin = relay.admin().unwrap();
        for side in [Side::Left, Side::Right] {
            let tenant = side.tenant(case);
            admin.put_tenant(tenant.as_str(), &TenantSpec::default()).await.unwrap();
            admin.make_agent(&relay.identity(tenant.as_str(), DECLARED).unwrap()).await.unwrap();
        }
        let mut agents = Vec::new();
        for member in &AGENTS {
            let identity = relay.identity(member.side.tenant(case).as_str(), member.name).unwrap();
            let key = admin.make_agent(&identity).await.unwrap();
            let bytes = build(&identity, visibility_model::card(member), None, now()).unwrap();
            let record = VerifiedRecord::parse(&bytes, identity.did()).unwrap();
            agents.push(ConnectedAgent::new(identity, record, key));
        }
        let mut tenants = Self { relay, admin, case, agents, coverage: Coverage::default() };
        for who in 0..AGENTS.len() {
            tenants.come(who).await;
        }
        tenants
    }

    /// Does one action and compares its answer with that for an agent that does not exist, on the
    /// side `twin`.
    pub(super) async fn act(&mut self, action: &Action, twin: Side) {
        match *action {
            Action::Discover { who, capability, after, limit } => {
                let cursor = after.map(|whom| whom.did(self.case));
                let capability = capability.map(str::to_owned);
                self.discover(who, DiscoverParams { capability, cursor, limit }).await;
            }
            Action::LookUp { who, whom } => self.look_up(who, whom, twin).await,
            Action::Send { who, whom, r#type, reliable } => {
                self.send(who, whom, r#type, reliable, twin).await;
            }
            Action::Impersonate { who, name, whom } => self.impersonate(who, name, whom, twin).await,
            Action::Claim { who, name } => self.claim(who, name, twin).await,
            Action::Administer { who, whom } => self.administer(who, whom, twin).await,
            Action::Inspect { side, whom } => self.inspect(side, whom).await,
            Action::List { side } => self.list(side).await,
            Action::Acknowledge { who } => self.come(who).await.acknowledge().await,
            Action::Leave { who } => {
                if let Some(line) = self.agents[who].line.take() {
                    let (deliveries, notices) = line.leave().await;
                    self.agents[who].check(&deliveries, &notices);
                }
            }
        }
    }

    /// Everybody takes what is left; all that was promised has arrived, and nothing else.
    pub(super) async fn end(mut self) -> Coverage {
        for who in 0..AGENTS.len() {
            self.take_the_rest(who).await;
            let nobody = LookupParams { did: Whom::Nobody(Side::Nowhere).did(self.case) };
            // The answer to a question comes behind everything that was on its way.
            assert_eq!(self.ask(who, method::LOOKUP, &nobody).await.refusal(), Some(Reason::NotFound));
            let agent = &mut self.agents[who];
            let line = agent.line.take().unwrap();
            agent.check(&line.deliveries, &line.notices);
            self.coverage.delivered += agent.arrived.len();
        }
        self.coverage
    }

    async fn take_the_rest(&mut self, who: usize) {
        self.come(who).await;
        let ConnectedAgent { line, reliable, arrived, .. } = &mut self.agents[who];
        let line = line.as_mut().unwrap();
        let there = |line: &RawConnection, id: &MessageId| {
            line.deliveries.iter().any(|delivery| delivery.envelope.id == *id)
        };
        while !reliable.difference(arrived).all(|id| there(line, id)) {
            line.more().await;
        }
    }

    async fn discover(&mut self, who: usize, query: DiscoverParams) {
        let page: DiscoverResult = self.ask(who, method::DISCOVER, &query).await.result().unwrap();
        let found: Vec<_> = page.agents.into_iter().map(|found| found.did).collect();
        assert_eq!(found, visibility_model::discovered(who, &query, self.case), "{query:?}");
        self.coverage.found += found.len();
    }

    async fn look_up(&mut self, who: usize, whom: Whom, twin: Side) {
        let params = |whom: Whom| LookupParams { did: whom.did(self.case) };
        let (asked, other) = (params(whom), params(Whom::Nobody(twin)));
        let answer = self.ask(who, method::LOOKUP, &asked).await;
        if let Err(reason) = visibility_model::looked_up(who, whom) {
            let other = self.ask(who, method::LOOKUP, &other).await;
            return self.refused_alike(&answer, &other, reason);
        }
        let found = answer.result::<LookupResult>().unwrap();
        let bytes = base64url::decode(&found.record).unwrap();
        VerifiedRecord::parse(&bytes, &asked.did).unwrap();
        self.coverage.found += 1;
    }

    async fn send(&mut self, who: usize, whom: Whom, r#type: MessageType, reliable: bool, twin: Side) {
        let envelope = self.envelope(who, whom, r#type, reliable);
        let online = matches!(whom, Whom::Member(index) if index == who || self.agents[index].line.is_some());
        let answer = self.ask(who, method::SEND, &envelope).await;
        match visibility_model::taken(who, whom, reliable, online) {
            Ok(()) => {
                let SendResult { status } = answer.result().unwrap();
                assert_eq!(status == SendStatus::Forwarded, !reliable, "{status:?}");
                self.agents[who].sent.insert(envelope.id);
                if let Whom::Member(index) = whom {
                    self.agents[index].expect(envelope.id, reliable);
                }
            }
            Err(Reason::NotFound) => {
                let other = self.envelope(who, Whom::Nobody(twin), r#type, reliable);
                let other = self.ask(who, method::SEND, &other).await;
                self.refused_alike(&answer, &other, Reason::NotFound);
            }
            Err(reason) => assert_eq!(answer.refusal(), Some(reason)),
        }
    }

    async fn impersonate(&mut self, who: usize, name: Whom, whom: Whom, twin: Side) {
        if name == Whom::Member(who) {
            return;
        }
        let envelope = self.envelope(who, whom, MessageType::Event, true);
        let other = Envelope { from: Whom::Nobody(twin).did(self.case), ..envelope.clone() };
        let envelope = Envelope { from: name.did(self.case), ..envelope };
        let answer = self.ask(who, method::SEND, &envelope).await;
        let other = self.ask(who, method::SEND, &other).await;
        self.refused_alike(&answer, &other, Reason::FromMismatch);
    }

    async fn claim(&mut self, who: usize, name: Whom, twin: Side) {
        let params = |whom: Whom| ChallengeParams { did: whom.did(self.case) };
        let (asked, other) = (params(name), params(Whom::Nobody(twin)));
        let answer = self.ask(who, method::CHALLENGE, &asked).await;
        if name == Whom::Member(who) {
            answer.result::<ChallengeResult>().unwrap();
            return;
        }
        let other = self.ask(who, method::CHALLENGE, &other).await;
        self.refused_alike(&answer, &other, Reason::Forbidden);
    }

    /// There are no admin keys of a tenant: an agent's own key gives no access, whatever it
    /// asks for.
    async fn administer(&mut self, who: usize, whom: Whom, twin: Side) {
        let key = self.agents[who].key.reveal();
        let answer = self.admin.ask_with(&self.path(whom.side(), whom), key).await.unwrap();
        let other = self.admin.ask_with(&self.path(twin, Whom::Nobody(twin)), key).await.unwrap();
        assert_eq!(answer, other);
        assert_eq!((answer.0, reason(&answer.1)), (401, Reason::TokenInvalid));
        self.coverage.refused += 1;
    }

    /// The admin sees an agent in its own tenant only.
    async fn inspect(&mut self, side: Side, whom: Whom) {
        let there = match whom {
            Whom::Member(_) => AGENTS.iter().any(|member| member.side == side && member.name == whom.name()),
            Whom::Declared(_) => side != Side::Nowhere,
            Whom::Nobody(_) => false,
        };
        let answer = self.admin.ask(&self.path(side, whom)).await.unwrap();
        if there {
            let view: AgentView = serde_json::from_str(&answer.1).unwrap();
            assert_eq!((view.did.tenant(), view.did.name()), (side.tenant(self.case), whom.name()));
            return;
        }
        let other = self.admin.ask(&self.path(side, Whom::Nobody(side))).await.unwrap();
        assert_eq!(answer, other);
        assert_eq!((answer.0, reason(&answer.1)), (404, Reason::NotFound));
        self.coverage.refused += 1;
    }

    async fn list(&mut self, side: Side) {
        let path = format!("{}/agents", tenant_path(&side.tenant(self.case)));
        let (status, body) = self.admin.ask(&path).await.unwrap();
        if side == Side::Nowhere {
            assert_eq!((status, reason(&body)), (404, Reason::NotFound));
            return;
        }
        let page: Page<AgentView> = serde_json::from_str(&body).unwrap();
        let members = AGENTS.iter().enumerate().filter(|(_, member)| member.side == side);
        let mut expected: Vec<_> = members.map(|(index, _)| Whom::Member(index)).collect();
        expected.push(Whom::Declared(side));
        let mut expected: Vec<_> = expected.into_iter().map(|whom| whom.did(self.case)).collect();
        expected.sort();
        assert_eq!(page.items.into_iter().map(|view| view.did).collect::<Vec<_>>(), expected);
    }

    fn refused_alike(&mut self, answer: &Answer, other: &Answer, reason: Reason) {
        assert_eq!(answer.refusal(), Some(reason));
        assert_eq!(answer, other, "the answers differ between an existing agent and one that does not exist");
        self.coverage.refused += 1;
    }

    async fn ask(&mut self, who: usize, method: &str, params: &impl Serialize) -> Answer {
        self.come(who).await.ask(method, params).await
    }

    /// The agent's connection; it comes back if it had left.
    async fn come(&mut self, who: usize) -> &mut RawConnection {
        let ConnectedAgent { identity, record, key, line, .. } = &mut self.agents[who];
        if line.is_none() {
            let mut new = RawConnection::open(self.relay, key).await;
            new.register(identity, &record.bytes).await.unwrap();
            *line = Some(new);
        }
        line.as_mut().unwrap()
    }

    /// Sealed as the SDK would; to an agent without keys with the sender's own, which the relay
    /// cannot tell.
    fn envelope(&self, who: usize, whom: Whom, r#type: MessageType, reliable: bool) -> Envelope {
        let index = if let Whom::Member(index) = whom { index } else { who };
        let answers = matches!(r#type, MessageType::Response | MessageType::Error | MessageType::Receipt);
        let id = || MessageId::new(now(), rand::random());
        let draft = Draft {
            to: whom.did(self.case),
            id: id(),
            class: if reliable { Class::Reliable } else { Class::Ephemeral },
            r#type,
            thread: None,
            re: answers.then(id),
            ttl: reliable.then_some(3600),
            content: Content::text("hello"),
        };
        let recipient = self.agents[index].record.keys.current_encryption().unwrap();
        seal(draft, &self.agents[who].identity, recipient, now(), &mut rand::rng()).unwrap().envelope
    }

    fn path(&self, side: Side, whom: Whom) -> String {
        agent_path(&side.tenant(self.case), &whom.name().parse().unwrap())
    }
}

impl ConnectedAgent {
    fn new(identity: Identity, record: VerifiedRecord, key: ApiKey) -> Self {
        let none = BTreeSet::new;
        let (sent, expected, reliable, arrived) = (none(), none(), none(), none());
        Self { identity, record, key, line: None, sent, expected, reliable, arrived }
    }

    fn expect(&mut self, id: MessageId, reliable: bool) {
        self.expected.insert(id);
        if reliable {
            self.reliable.insert(id);
        }
    }

    /// Everything that arrived was meant for this agent, by somebody of its own tenant.
    fn check(&mut self, deliveries: &[DeliverParams], notices: &[NoticeParams]) {
        let own = self.identity.did();
        for DeliverParams { envelope, .. } in deliveries {
            assert_eq!((&envelope.to, envelope.from.tenant()), (own, own.tenant()));
            assert!(
                self.expected.contains(&envelope.id),
                "{own} got {envelope:?}, which nobody was to send it"
            );
            self.arrived.insert(envelope.id);
        }
        for notice in notices {
            assert_eq!(notice.to.tenant(), own.tenant());
            assert!(self.sent.contains(&notice.id), "{own} heard of {notice:?}");
        }
    }
}

fn reason(problem: &str) -> Reason {
    serde_json::from_str::<Problem>(problem).unwrap().reason
}
