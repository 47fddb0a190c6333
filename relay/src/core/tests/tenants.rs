//! Property test: agents of two tenants never reach each other, whatever they do.

use bytes::Bytes;
use proptest::prelude::*;
use protocol::envelope::Class;
use protocol::{Did, Reason};

use super::test_core::*;
use crate::core::{ConnId, Effect, Event, RowId, SendError, SendRule, Write, WriteContent};

const UNKNOWN: &str = "did:wba:example.com:agent:a:nobody";

#[derive(Debug, Clone)]
enum Action {
    Open {
        index: usize,
    },
    Close {
        index: usize,
    },
    Send {
        from: usize,
        to: usize,
        ephemeral: bool,
    },
    /// Acknowledges the newest delivery of the agent's session, or one that was never made.
    Ack {
        index: usize,
        beyond: u64,
    },
    Pass {
        ms: u64,
    },
    Stored,
    StoreFailed,
    Remove {
        index: usize,
    },
}

fn action() -> impl Strategy<Value = Action> {
    let index = 0..AGENTS.len();
    prop_oneof![
        4 => index.clone().prop_map(|index| Action::Open { index }),
        1 => index.clone().prop_map(|index| Action::Close { index }),
        12 => (index.clone(), 0..=AGENTS.len(), any::<bool>())
            .prop_map(|(from, to, ephemeral)| Action::Send { from, to, ephemeral }),
        4 => (index.clone(), 0..2u64).prop_map(|(index, beyond)| Action::Ack { index, beyond }),
        3 => (0..40_000u64).prop_map(|ms| Action::Pass { ms }),
        4 => Just(Action::Stored),
        1 => Just(Action::StoreFailed),
        1 => index.prop_map(|index| Action::Remove { index }),
    ]
}

#[derive(Debug)]
struct Scenario {
    relay: TestCore,
    /// The agent of each connection. Connection numbers are never used twice.
    holders: Vec<usize>,
    conns: [Option<u64>; AGENTS.len()],
    seqs: [(u64, u64); AGENTS.len()],
    written: RowId,
    bodies: std::collections::HashMap<RowId, Bytes>,
    removed: Vec<RowId>,
}

impl Scenario {
    fn new() -> Self {
        Self {
            relay: TestCore::new(),
            holders: Vec::new(),
            conns: [None; AGENTS.len()],
            seqs: [(0, 0); AGENTS.len()],
            written: 0,
            bodies: std::collections::HashMap::new(),
            removed: Vec::new(),
        }
    }

    fn perform(&mut self, action: &Action) {
        let effects = match *action {
            Action::Open { index } => {
                let conn = self.holders.len() as u64;
                self.holders.push(index);
                self.conns[index] = Some(conn);
                self.relay.open(conn, index)
            }
            Action::Close { index } => match self.conns[index].take() {
                Some(conn) => self.relay.step(Event::Closed { conn: ConnId(conn) }),
                None => Vec::new(),
            },
            Action::Send { from, to, ephemeral } => self.send(from, to, ephemeral),
            Action::Ack { index, beyond } => {
                let (epoch, seq) = self.seqs[index];
                let conn = ConnId(self.conns[index].unwrap_or(u64::MAX));
                self.relay.step(Event::Acked { conn, epoch, seq: seq + beyond })
            }
            Action::Pass { ms } => self.relay.pass(ms),
            Action::Stored => {
                let rows = std::mem::take(&mut self.removed);
                let removed = self.relay.step(Event::Removed { rows });
                self.observe(removed);
                self.relay.step(Event::Stored { upto: self.written })
            }
            Action::StoreFailed => {
                let failed = self.relay.step(Event::StoreFailed { upto: self.written });
                self.observe(failed);
                self.relay.step(Event::StoreRecovered)
            }
            Action::Remove { index } => {
                let did = agent(index);
                self.relay.step(Event::AgentRemoved { did: did.as_str() })
            }
        };
        self.observe(effects);
    }

    fn send(&mut self, from: usize, to: usize, ephemeral: bool) -> Vec<Effect> {
        let conn = self.conns[from].unwrap_or(u64::MAX);
        let class = if ephemeral { Class::Ephemeral } else { Class::Reliable };
        let target = if to < AGENTS.len() { agent(to).to_string() } else { UNKNOWN.to_owned() };
        let effects = self.relay.send(conn, from, &target, class);
        let foreign = to >= AGENTS.len() || AGENTS[to].0 != AGENTS[from].0;
        if foreign {
            self.assert_same_as_unknown(&effects);
        }
        effects
    }

    /// The only effect is a refusal, the same for an agent of another tenant as for an unknown one.
    fn assert_same_as_unknown(&self, effects: &[Effect]) {
        let [Effect::Refuse { error, .. }] = effects else {
            panic!("more than a refusal: {effects:?}");
        };
        if !matches!(error.reason, Reason::NotRegistered | Reason::RateLimited) {
            let known = SendRule::RecipientKnown;
            assert_eq!(SendError { rule: known, ..**error }, SendError::from(known));
        }
    }

    fn observe(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Deliver { conn, epoch, seq, envelope } => {
                    let holder = self.holders[usize::try_from(conn.0).unwrap()];
                    let text = std::str::from_utf8(&envelope).unwrap();
                    let from: usize = text.split(' ').next().unwrap().parse().unwrap();
                    assert_eq!(AGENTS[from].0, AGENTS[holder].0, "{from} reached {holder}");
                    self.seqs[holder] = (epoch, seq);
                }
                Effect::Notice { conn, to, .. } => {
                    let holder = self.holders[usize::try_from(conn.0).unwrap()];
                    let about = to.parse::<Did>().unwrap().tenant();
                    assert_eq!(about.as_str(), AGENTS[holder].0, "{holder} heard of {to}");
                }
                Effect::Write(Write::Insert(row)) => {
                    self.written = row.row;
                    let tenants = [&row.recipient, &row.peer].map(|d| d.parse::<Did>().unwrap().tenant());
                    assert_eq!(tenants[0], tenants[1]);
                    if let WriteContent::Message(body) = row.content {
                        self.bodies.insert(row.row, body);
                    }
                }
                Effect::Write(Write::Remove { row, .. }) => self.removed.push(row),
                Effect::LoadPage { agent, epoch, rows } => {
                    let page = rows.iter().map(|row| (*row, self.bodies[row].clone())).collect();
                    let loaded = self.relay.step(Event::Loaded { agent, epoch, page });
                    self.observe(loaded);
                }
                _ => {}
            }
        }
    }
}

proptest! {
    #[test]
    fn nothing_crosses_a_tenants_wall(actions in prop::collection::vec(action(), 1..200)) {
        let mut scenario = Scenario::new();
        for action in &actions {
            scenario.perform(action);
        }
    }
}
