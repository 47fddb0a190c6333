//! The path of a message through the core alone, whose instructions callgrind counts:
//! `valgrind --tool=callgrind <test program> --exact core::tests::message_path::…`.

use crate::core::{SubmittedEnvelope, digest};

use super::*;

/// Sends so many messages of 1 KiB in reads of 16, each acknowledged in one go.
fn exchange(count: u64) {
    let limits = CoreLimits {
        sender_rate: Rate { per_second: 1e9, burst: 1e9 },
        tenant_rate: Rate { per_second: 1e9, burst: 1e9 },
        ..test_limits()
    };
    let now = Now { mono_ms: 0, unix: 1_790_000_000 };
    let mut core = Core::new(limits, 1, 1, now);
    let (alice, bob) = (agent(ALICE), agent(BOB));
    let mut out = Vec::new();
    for (conn, did) in [(1, &alice), (2, &bob)] {
        let (tenant, request) = (did.tenant(), RequestId::Number(0));
        let opened = NewSession { conn: ConnId(conn), did: did.clone(), tenant, request };
        core.step(Event::Opened(opened), now, &FixedAgents, &mut out);
    }
    let epoch = out.iter().filter_map(|effect| match effect {
        Effect::Registered { epoch, .. } => Some(*epoch),
        _ => None,
    });
    let epoch = epoch.max().unwrap();
    let envelope = Bytes::from(vec![b'x'; 1024]);
    let mut answers = 0;
    for number in 1..=count {
        let mut random = [0; 10];
        random[..8].copy_from_slice(&number.to_be_bytes());
        let sent = Submission {
            conn: ConnId(1),
            request: RequestId::Number(number),
            to: bob.as_str(),
            from: alice.as_str(),
            id: protocol::envelope::MessageId::new(now.unix, random),
            class: protocol::envelope::Class::Reliable,
            ttl: Some(60),
            envelope: SubmittedEnvelope::Shared(&envelope),
            digest: digest(&envelope),
        };
        core.step(Event::Sent(sent), now, &FixedAgents, &mut out);
        if number.is_multiple_of(16) {
            let acked = Event::Acked { conn: ConnId(2), epoch, seq: number };
            core.step(acked, now, &FixedAgents, &mut out);
            answers += out.iter().filter(|effect| matches!(effect, Effect::Answer { .. })).count() as u64;
            out.clear();
        }
    }
    assert_eq!((answers, core.stats().broken), (count, 0));
}

#[test]
fn sixteen_hundred_messages_are_answered() {
    exchange(1_600);
}

#[test]
fn seventeen_thousand_messages_are_answered() {
    exchange(17_600);
}
