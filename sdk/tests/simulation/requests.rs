//! Requests over connections that break: each is answered once, and repeated in order until then.

use std::collections::BTreeSet;
use std::time::Duration;

use msg2agent::state_machine::{Backoff, Outbox, Request, RequestId};

use crate::random::Random;

const STEPS: u64 = 200;

#[derive(Default)]
struct Line {
    /// Requests that the relay has read on this connection, without the ones it has answered.
    read: BTreeSet<RequestId>,
    last: RequestId,
}

pub(crate) fn run(seed: u64) {
    let mut random = Random::new(seed);
    let (mut outbox, mut backoff) = (Outbox::new(), Backoff::new());
    let (mut line, mut seen, mut answered) = (Line::default(), BTreeSet::new(), BTreeSet::new());
    let mut pushed = 0u64;
    for _ in 0..STEPS {
        match random.below(10) {
            0..3 => {
                let request = Request { method: "message.send", params: String::new(), traceparent: None };
                outbox.push(request, pushed);
                pushed += 1;
            }
            3..7 => {
                if let Some((id, waiting)) = outbox.write_next(|_| false) {
                    assert!(id > line.last, "seed {seed}: a connection writes rising ids");
                    assert!(!answered.contains(&waiting.caller), "seed {seed}: it was answered");
                    seen.insert(waiting.caller);
                    line.last = id;
                    line.read.insert(id);
                }
            }
            7..9 => {
                if let Some(caller) = line.read.pop_first().and_then(|id| outbox.answered(id)) {
                    assert!(answered.insert(caller), "seed {seed}: {caller} was answered twice");
                }
            }
            _ => {
                backoff.on_disconnect(None);
                assert!(backoff.next(1.0) <= Duration::from_secs(30), "seed {seed}");
                outbox.reconnected();
                line = Line::default();
            }
        }
    }
    for waiting in outbox.drain() {
        assert!(answered.insert(waiting.caller), "seed {seed}: it was answered");
        let sent = seen.contains(&waiting.caller);
        assert_eq!(waiting.written, sent, "seed {seed}: whether {} may have arrived", waiting.caller);
    }
    assert_eq!(answered.len() as u64, pushed, "seed {seed}: a request is lost");
}
