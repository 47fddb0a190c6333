//! Receiving with faults: order of acknowledgements, duplicates, forgeries, restarts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use msg2agent::{Agent, Clock, DiscardReason, Identity, RefusalReason};
use protocol::Reason;
use protocol::envelope::Envelope;
use protocol::frame::method;
use protocol::record::VerifiedRecord;

use crate::identities::{Alice, TestAgent, TestMessage, now};
use crate::scripted_relay::{RelayConnection, ScriptedRelay, lookup_result, within};

pub(crate) async fn connected(
    relay: &ScriptedRelay,
    alice: &Alice,
    epoch: u64,
) -> (RelayConnection, VerifiedRecord, Agent) {
    let ((line, record), agent) = tokio::join!(relay.registered(epoch), Agent::connect(alice.config.clone()));
    (line, record, agent.unwrap())
}

#[tokio::test]
async fn only_processed_messages_without_a_gap_are_acknowledged() {
    let (relay, bob) = (ScriptedRelay::new().await, TestAgent::new("bob"));
    let alice = Alice::new(&relay.url());
    let (mut line, record, agent) = connected(&relay, &alice, 1).await;
    for (seq, text) in [(1, "one"), (2, "two"), (3, "three")] {
        line.deliver(1, seq, &bob.seal(&record, TestMessage::event(text)).envelope).await;
    }
    line.answer_lookup(&bob.record).await;
    let mut inbox = agent.inbox();
    let mut messages = Vec::new();
    for text in ["one", "two", "three"] {
        let message = within("a message", inbox.next()).await.unwrap();
        assert_eq!(message.text(), Some(text), "in the order of the relay");
        messages.push(message);
    }
    messages[1].ack().await.unwrap();
    messages[0].ack().await.unwrap();
    // Had the second been acknowledged alone, an acknowledgement of another number would stand
    // here.
    assert_eq!(line.acked().await, (1, 2));
    messages[2].ack().await.unwrap();
    messages[2].ack().await.unwrap();
    assert_eq!(line.acked().await, (1, 3));
}

#[tokio::test]
async fn a_message_delivered_again_after_a_lost_acknowledgement_is_shown_once() {
    let (relay, bob) = (ScriptedRelay::new().await, TestAgent::new("bob"));
    let alice = Alice::new(&relay.url());
    let (mut line, record, agent) = connected(&relay, &alice, 1).await;
    let envelope = bob.seal(&record, TestMessage::event("once")).envelope;
    line.deliver(1, 1, &envelope).await;
    line.answer_lookup(&bob.record).await;
    let mut inbox = agent.inbox();
    within("the message", inbox.next()).await.unwrap().ack().await.unwrap();
    line.acked().await;
    // The relay did not store that acknowledgement.
    drop(line);
    let (mut line, _) = relay.registered(2).await;
    line.deliver(2, 1, &envelope).await;
    line.deliver(2, 2, &bob.seal(&record, TestMessage::event("next")).envelope).await;
    assert_eq!(line.acked().await, (2, 1));
    assert_eq!(within("the next message", inbox.next()).await.unwrap().text(), Some("next"));
    assert_eq!(agent.refusal_counts()[&DiscardReason::Replayed], 1);
}

#[tokio::test]
async fn a_message_processed_before_a_restart_is_not_shown_after_it() {
    let (relay, bob) = (ScriptedRelay::new().await, TestAgent::new("bob"));
    let mut alice = Alice::new(&relay.url());
    alice.config = alice.config.clone().with_state_dir(alice.folder.path().join("state"));
    let (mut line, record, agent) = connected(&relay, &alice, 1).await;
    let envelope = bob.seal(&record, TestMessage::event("once")).envelope;
    line.deliver(1, 1, &envelope).await;
    line.answer_lookup(&bob.record).await;
    within("the message", agent.inbox().next()).await.unwrap().ack().await.unwrap();
    drop(line);
    agent.close().await;
    drop(agent);

    let (mut line, _, agent) = connected(&relay, &alice, 2).await;
    line.deliver(2, 1, &envelope).await;
    line.deliver(2, 2, &bob.seal(&record, TestMessage::event("next")).envelope).await;
    assert_eq!(line.acked().await, (2, 1));
    line.answer_lookup(&bob.record).await;
    assert_eq!(within("the next message", agent.inbox().next()).await.unwrap().text(), Some("next"));
}

#[tokio::test]
async fn a_forged_message_is_refused_counted_and_does_not_stop_the_next() {
    let (relay, bob, mallory) = (ScriptedRelay::new().await, TestAgent::new("bob"), TestAgent::new("bob"));
    let alice = Alice::new(&relay.url());
    let (mut line, record, agent) = connected(&relay, &alice, 1).await;
    let mut refusals = agent.refusals();
    let forged = mallory.seal(&record, TestMessage::event("I am bob")).envelope;
    line.deliver(1, 1, &forged).await;
    line.answer_lookup(&bob.record).await;
    assert_eq!(line.refused().await, (1, 1, RefusalReason::BadSignature));
    assert_eq!(line.acked().await, (1, 1));
    let refusal = within("the refusal", refusals.next()).await.unwrap();
    assert_eq!(
        (refusal.reason, refusal.id),
        (DiscardReason::Refused(RefusalReason::BadSignature), Some(forged.id))
    );
    line.deliver(1, 2, &bob.seal(&record, TestMessage::event("I am")).envelope).await;
    assert_eq!(within("bob's message", agent.inbox().next()).await.unwrap().text(), Some("I am"));
    assert_eq!(agent.refusal_counts()[&DiscardReason::Refused(RefusalReason::BadSignature)], 1);
}

#[tokio::test]
async fn an_envelope_whose_outside_was_changed_is_refused() {
    let (relay, bob, carol) = (ScriptedRelay::new().await, TestAgent::new("bob"), TestAgent::new("carol"));
    let alice = Alice::new(&relay.url());
    let (mut line, record, agent) = connected(&relay, &alice, 1).await;
    let sealed = bob.seal(&record, TestMessage::event("hi")).envelope;
    line.deliver(1, 1, &Envelope { from: carol.did().clone(), ..sealed }).await;
    line.answer_lookup(&carol.record).await;
    assert_eq!(line.refused().await, (1, 1, RefusalReason::HeaderMismatch));
    assert_eq!(line.acked().await, (1, 1));
    assert_eq!(agent.refusal_counts()[&DiscardReason::Refused(RefusalReason::HeaderMismatch)], 1);
}

#[tokio::test]
async fn a_rotated_signing_key_is_looked_up_once() {
    let (relay, mut bob) = (ScriptedRelay::new().await, TestAgent::new("bob"));
    let alice = Alice::new(&relay.url());
    let (mut line, record, agent) = connected(&relay, &alice, 1).await;
    line.deliver(1, 1, &bob.seal(&record, TestMessage::event("old key")).envelope).await;
    line.answer_lookup(&bob.record).await;
    bob.identity.rotate(now(), &mut rand::rng());
    let bob = TestAgent::with(bob.identity);
    line.deliver(1, 2, &bob.seal(&record, TestMessage::event("new key")).envelope).await;
    line.answer_lookup(&bob.record).await;
    let mut inbox = agent.inbox();
    for text in ["old key", "new key"] {
        let message = within("a message", inbox.next()).await.unwrap();
        assert_eq!(message.text(), Some(text));
        message.ack().await.unwrap();
    }
}

#[tokio::test]
async fn a_sender_that_shows_another_root_key_is_refused() {
    let (relay, bob, impostor) = (ScriptedRelay::new().await, TestAgent::new("bob"), TestAgent::new("bob"));
    let alice = Alice::new(&relay.url());
    let (mut line, record, agent) = connected(&relay, &alice, 1).await;
    line.deliver(1, 1, &bob.seal(&record, TestMessage::event("hi")).envelope).await;
    line.answer_lookup(&bob.record).await;
    within("bob's message", agent.inbox().next()).await.unwrap();
    let mut rotated = impostor.identity;
    rotated.rotate(now(), &mut rand::rng());
    let impostor = TestAgent::with(rotated);
    let mut refusals = agent.refusals();
    line.deliver(1, 2, &impostor.seal(&record, TestMessage::event("hi")).envelope).await;
    line.answer_lookup(&impostor.record).await;
    let refusal = within("the refusal", refusals.next()).await.unwrap();
    assert_eq!(refusal.reason, DiscardReason::Refused(RefusalReason::KeyChanged));
    assert_eq!(line.refused().await, (1, 2, RefusalReason::KeyChanged));
}

#[tokio::test]
async fn a_message_from_an_unknown_sender_is_refused() {
    let (relay, bob) = (ScriptedRelay::new().await, TestAgent::new("bob"));
    let alice = Alice::new(&relay.url());
    let (mut line, record, agent) = connected(&relay, &alice, 1).await;
    line.deliver(1, 1, &bob.seal(&record, TestMessage::event("hi")).envelope).await;
    let asked = line.asked(protocol::frame::method::LOOKUP).await;
    line.refuse(&asked, protocol::Reason::NotFound, None).await;
    assert_eq!(line.refused().await, (1, 1, RefusalReason::UnknownSender));
    assert_eq!(line.acked().await, (1, 1));
    assert_eq!(agent.refusal_counts()[&DiscardReason::Refused(RefusalReason::UnknownSender)], 1);
}

#[tokio::test]
async fn messages_with_an_unknown_key_cost_one_lookup_and_never_the_session() {
    let (relay, bob, mallory) =
        (ScriptedRelay::new().await, TestAgent::new("bob"), TestAgent::new("mallory"));
    let alice = Alice::new(&relay.url());
    let (mut line, record, agent) = connected(&relay, &alice, 1).await;
    // A key that the record of mallory does not list.
    let mut unlisted = Identity::from_key_file(&mallory.identity.to_key_file()).unwrap();
    unlisted.rotate(now(), &mut rand::rng());
    let unlisted = TestAgent::with(unlisted);
    for seq in 1..=150 {
        line.deliver(1, seq, &unlisted.seal(&record, TestMessage::event("x")).envelope).await;
    }
    line.deliver(1, 151, &bob.seal(&record, TestMessage::event("hi")).envelope).await;
    line.answer_lookup(&mallory.record).await;
    line.answer_lookup(&mallory.record).await;
    for seq in 1..=150 {
        loop {
            let frame = line.next().await;
            match frame.method.as_str() {
                method::ACK => continue,
                method::REFUSE => assert_eq!(frame.params["seq"], seq),
                other => panic!("{other} before the refusal of {seq}"),
            }
            break;
        }
    }
    let lookup = loop {
        let frame = line.next().await;
        if frame.method != method::ACK {
            break frame;
        }
    };
    assert_eq!(lookup.params["did"], bob.did().as_str(), "mallory is not looked up again");
    line.answer(&lookup, &lookup_result(&bob.record)).await;
    assert_eq!(within("bob's message", agent.inbox().next()).await.unwrap().text(), Some("hi"));
}

#[tokio::test]
async fn a_lookup_that_the_relay_does_not_answer_now_is_repeated_in_the_same_session() {
    let (relay, bob) = (ScriptedRelay::new().await, TestAgent::new("bob"));
    let alice = Alice::new(&relay.url());
    let (mut line, record, agent) = connected(&relay, &alice, 1).await;
    line.deliver(1, 1, &bob.seal(&record, TestMessage::event("hi")).envelope).await;
    for reason in [Reason::RateLimited, Reason::Overloaded, Reason::Internal] {
        let asked = line.asked(method::LOOKUP).await;
        line.refuse(&asked, reason, Some(10)).await;
    }
    line.answer_lookup(&bob.record).await;
    assert_eq!(within("the message", agent.inbox().next()).await.unwrap().text(), Some("hi"));
}

#[tokio::test]
async fn a_delivery_of_another_session_is_ignored() {
    let (relay, bob) = (ScriptedRelay::new().await, TestAgent::new("bob"));
    let alice = Alice::new(&relay.url());
    let (mut line, record, agent) = connected(&relay, &alice, 2).await;
    line.deliver(1, 1, &bob.seal(&record, TestMessage::event("old")).envelope).await;
    line.deliver(2, 1, &bob.seal(&record, TestMessage::event("new")).envelope).await;
    line.answer_lookup(&bob.record).await;
    assert_eq!(within("the message", agent.inbox().next()).await.unwrap().text(), Some("new"));
}

#[tokio::test]
async fn what_is_sealed_to_a_lost_key_is_refused_as_undecryptable() {
    let (relay, bob, former) = (ScriptedRelay::new().await, TestAgent::new("bob"), TestAgent::new("alice"));
    let alice = Alice::new(&relay.url());
    let (mut line, _, _agent) = connected(&relay, &alice, 1).await;
    line.deliver(1, 1, &bob.seal(&former.record, TestMessage::event("hi")).envelope).await;
    line.answer_lookup(&bob.record).await;
    assert_eq!(line.refused().await, (1, 1, RefusalReason::Undecryptable));
    assert_eq!(line.acked().await, (1, 1), "its number counts, after the refusal");
}

#[tokio::test]
async fn what_waited_for_the_clock_is_shown_before_what_comes_after_it_was_set() {
    let (relay, bob, ahead) = (ScriptedRelay::new().await, TestAgent::new("bob"), now() + 600);
    let mut alice = Alice::new(&relay.url());
    let set = Arc::new(AtomicU64::new(now()));
    let read = Arc::clone(&set);
    alice.config = alice.config.clone().with_clock(Clock::from_fn(move || read.load(Ordering::SeqCst)));
    let (mut line, record, agent) = connected(&relay, &alice, 1).await;
    let mut inbox = agent.inbox();
    for (seq, text, time) in [(1, "early", ahead), (2, "now", now())] {
        line.deliver(1, seq, &bob.seal_at(&record, TestMessage::event(text), time).envelope).await;
    }
    line.answer_lookup(&bob.record).await;
    let second = within("the second", inbox.next()).await.unwrap();
    assert_eq!(second.text(), Some("now"));
    set.store(ahead, Ordering::SeqCst);
    line.deliver(1, 3, &bob.seal_at(&record, TestMessage::event("later"), ahead).envelope).await;
    for text in ["early", "later"] {
        let message = within("a message", inbox.next()).await.unwrap();
        assert_eq!(message.text(), Some(text));
        message.ack().await.unwrap();
    }
    second.ack().await.unwrap();
}

#[tokio::test]
async fn a_message_from_the_future_waits_for_its_time() {
    let (relay, bob) = (ScriptedRelay::new().await, TestAgent::new("bob"));
    let alice = Alice::new(&relay.url());
    let (mut line, record, agent) = connected(&relay, &alice, 1).await;
    // Six seconds further ahead than clocks may differ: a loaded machine shows the other one first.
    let ahead = now() + 306;
    line.deliver(1, 1, &bob.seal_at(&record, TestMessage::event("early"), ahead).envelope).await;
    line.deliver(1, 2, &bob.seal(&record, TestMessage::event("now")).envelope).await;
    line.answer_lookup(&bob.record).await;
    let mut inbox = agent.inbox();
    for text in ["now", "early"] {
        let message = within("a message", inbox.next()).await.unwrap();
        assert_eq!(message.text(), Some(text));
        message.ack().await.unwrap();
    }
    assert_eq!(line.acked().await, (1, 2), "nothing was acknowledged or refused before");
}

#[tokio::test]
async fn what_is_more_than_an_hour_ahead_of_the_relays_clock_too_is_refused() {
    let (mut relay, bob) = (ScriptedRelay::new().await, TestAgent::new("bob"));
    relay.time = Some(now());
    let alice = Alice::new(&relay.url());
    let (mut line, record, agent) = connected(&relay, &alice, 1).await;
    line.deliver(1, 1, &bob.seal_at(&record, TestMessage::event("ahead"), now() + 7200).envelope).await;
    line.deliver(1, 2, &bob.seal(&record, TestMessage::event("now")).envelope).await;
    line.answer_lookup(&bob.record).await;
    assert_eq!(line.refused().await, (1, 1, RefusalReason::NotFresh));
    let message = within("the message", agent.inbox().next()).await.unwrap();
    assert_eq!(message.text(), Some("now"));
    message.ack().await.unwrap();
    while line.acked().await != (1, 2) {}
}

#[tokio::test]
async fn what_is_ahead_of_the_relays_clock_too_takes_a_quarter_of_the_window_at_most() {
    let (mut relay, bob) = (ScriptedRelay::new().await, TestAgent::new("bob"));
    relay.time = Some(now());
    let alice = Alice::new(&relay.url());
    let (mut line, record, agent) = connected(&relay, &alice, 1).await;
    let ahead = now() + 1000;
    for seq in 1..=65 {
        line.deliver(1, seq, &bob.seal_at(&record, TestMessage::event("ahead"), ahead).envelope).await;
    }
    line.answer_lookup(&bob.record).await;
    assert_eq!(line.refused().await, (1, 65, RefusalReason::NotFresh), "64 of them wait");
    line.deliver(1, 66, &bob.seal(&record, TestMessage::event("now")).envelope).await;
    let message = within("the message", agent.inbox().next()).await.unwrap();
    assert_eq!(message.text(), Some("now"));
}

#[tokio::test]
async fn what_is_ahead_of_a_slow_clock_of_its_recipient_only_waits_until_that_is_set() {
    let (mut relay, bob) = (ScriptedRelay::new().await, TestAgent::new("bob"));
    relay.time = Some(now());
    let mut alice = Alice::new(&relay.url());
    let set = Arc::new(AtomicU64::new(now() - 86_400));
    let read = Arc::clone(&set);
    alice.config = alice.config.clone().with_clock(Clock::from_fn(move || read.load(Ordering::SeqCst)));
    let (mut line, record, agent) = connected(&relay, &alice, 1).await;
    for seq in 1..=70 {
        line.deliver(1, seq, &bob.seal(&record, TestMessage::event("waits")).envelope).await;
    }
    line.answer_lookup(&bob.record).await;
    // One that is ahead of every clock is refused, although the others wait before it.
    line.deliver(1, 71, &bob.seal_at(&record, TestMessage::event("ahead"), now() + 7200).envelope).await;
    assert_eq!(line.refused().await, (1, 71, RefusalReason::NotFresh));
    set.store(now(), Ordering::SeqCst);
    let mut inbox = agent.inbox();
    for _ in 0..70 {
        let message = within("a message", inbox.next()).await.unwrap();
        assert_eq!(message.text(), Some("waits"));
        message.ack().await.unwrap();
    }
}
