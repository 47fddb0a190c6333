//! Fuzzes envelopes. The agent reads the same members as the relay. It refuses only envelopes whose
//! DIDs the relay did not check.
#![no_main]

use libfuzzer_sys::fuzz_target;
use msg2agent_protocol::Did;
use msg2agent_protocol::envelope::{Envelope, Routing};

fuzz_target!(|text: &str| {
    let (relay, agent) = (Routing::parse(text), Envelope::parse(text));
    let Ok(routing) = relay else {
        assert!(agent.is_err(), "the agent reads what the relay refuses");
        return;
    };
    let names = routing.to.parse::<Did>().is_ok() && routing.from.parse::<Did>().is_ok();
    assert_eq!(agent.is_ok(), names);
    if let Ok(envelope) = agent {
        assert_eq!(
            (envelope.to.as_str(), envelope.from.as_str(), envelope.id, envelope.class, envelope.ttl),
            (&*routing.to, &*routing.from, routing.id, routing.class, routing.ttl)
        );
    }
});
