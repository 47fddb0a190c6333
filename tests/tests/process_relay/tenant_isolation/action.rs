//! Generates the actions of the agents of two tenants.

use proptest::prelude::*;
use protocol::envelope::MessageType;

use super::visibility_model::{AGENTS, Side, Whom};

#[derive(Debug, Clone)]
pub(super) enum Action {
    Discover {
        who: usize,
        capability: Option<&'static str>,
        after: Option<Whom>,
        limit: Option<usize>,
    },
    LookUp {
        who: usize,
        whom: Whom,
    },
    Send {
        who: usize,
        whom: Whom,
        r#type: MessageType,
        reliable: bool,
    },
    /// Sends in the name of another agent.
    Impersonate {
        who: usize,
        name: Whom,
        whom: Whom,
    },
    /// Asks to register as another agent.
    Claim {
        who: usize,
        name: Whom,
    },
    /// Asks the admin API about another agent with its own API key.
    Administer {
        who: usize,
        whom: Whom,
    },
    /// The admin asks for a name in a tenant.
    Inspect {
        side: Side,
        whom: Whom,
    },
    List {
        side: Side,
    },
    Acknowledge {
        who: usize,
    },
    Leave {
        who: usize,
    },
}

/// An action, and the side of the agent that does not exist, whose answer is compared.
pub(super) fn action() -> impl Strategy<Value = (Action, Side)> {
    (acted(), any_side())
}

fn acted() -> impl Strategy<Value = Action> {
    let who = 0..AGENTS.len();
    let capability = prop::option::of(prop::sample::select(vec!["chat", "plan", "none"]));
    let discover = (who.clone(), capability, prop::option::of(whom()), prop::option::of(1..3usize));
    let types = vec![
        MessageType::Request,
        MessageType::Response,
        MessageType::Error,
        MessageType::Event,
        MessageType::Receipt,
        MessageType::Typing,
    ];
    let send = (who.clone(), whom(), prop::sample::select(types), any::<bool>());
    prop_oneof![
        3 => discover.prop_map(|(who, capability, after, limit)| Action::Discover { who, capability, after, limit }),
        4 => (who.clone(), whom()).prop_map(|(who, whom)| Action::LookUp { who, whom }),
        8 => send.prop_map(|(who, whom, r#type, reliable)| {
            // Typing is always ephemeral.
            let reliable = reliable && r#type != MessageType::Typing;
            Action::Send { who, whom, r#type, reliable }
        }),
        2 => (who.clone(), whom(), whom()).prop_map(|(who, name, whom)| Action::Impersonate { who, name, whom }),
        2 => (who.clone(), whom()).prop_map(|(who, name)| Action::Claim { who, name }),
        2 => (who.clone(), whom()).prop_map(|(who, whom)| Action::Administer { who, whom }),
        1 => (any_side(), whom()).prop_map(|(side, whom)| Action::Inspect { side, whom }),
        1 => any_side().prop_map(|side| Action::List { side }),
        2 => who.clone().prop_map(|who| Action::Acknowledge { who }),
        1 => who.prop_map(|who| Action::Leave { who }),
    ]
}

fn whom() -> impl Strategy<Value = Whom> {
    prop_oneof![
        6 => (0..AGENTS.len()).prop_map(Whom::Member),
        1 => tenant_side().prop_map(Whom::Declared),
        1 => any_side().prop_map(Whom::Nobody),
    ]
}

fn tenant_side() -> impl Strategy<Value = Side> {
    prop::sample::select(vec![Side::Left, Side::Right])
}

fn any_side() -> impl Strategy<Value = Side> {
    prop::sample::select(vec![Side::Left, Side::Right, Side::Nowhere])
}
