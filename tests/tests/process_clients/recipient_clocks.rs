//! Sends to a recipient whose clock is ten minutes behind or ahead: the sender is told the truth,
//! and what can be delivered is, at the latest when the clock is set.

use std::time::Duration;

use msg2agent::{
    Agent, ConnectionState, Content, DiscardReason, ErrorKind, MessageType, Reason, RefusalReason,
    SendOptions, SendStatus,
};

use crate::recipient::{Scene, shown, within};

const BEHIND: i64 = -600;
const AHEAD: i64 = 600;
/// Shorter than a clock that is ahead allows.
const SHORT_TTL_SECONDS: u64 = 60;
/// Longest wait for an answer that comes.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest wait for an answer that does not come.
const NO_ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

fn short_lived() -> SendOptions {
    SendOptions { ttl: Some(SHORT_TTL_SECONDS), ..SendOptions::default() }
}

fn refused_as_old(agent: &Agent) -> u64 {
    agent.refusal_counts()[&DiscardReason::Refused(RefusalReason::NotFresh)]
}

/// Waits until the relay has refused the registration with this reason.
async fn registration_refused(agent: &Agent, reason: Reason) {
    let refused = |now: &ConnectionState| match now {
        ConnectionState::Connecting { last_error: Some(error), .. } => error.reason() == Some(reason),
        _ => false,
    };
    let mut connection = agent.watch_connection();
    within("the refusal", connection.wait_for(refused)).await.unwrap();
}

#[tokio::test]
async fn what_is_from_the_future_for_a_recipient_ten_minutes_behind_is_shown_when_its_clock_is_set() {
    let mut scene = Scene::new().await;
    let bob = scene.bob_connects().await;
    let mut inbox = bob.inbox();
    scene.bob.clock.set(BEHIND);
    let early = scene.store("from the future").await;
    // A sender whose clock is as wrong is shown at once, behind the other.
    scene.alice.clock.set(BEHIND);
    let second = scene.store("from the same time").await;
    let message = shown(&mut inbox, "from the same time").await;
    assert!(bob.refusal_counts().values().all(|count| *count == 0), "nothing is refused");
    scene.alice.clock.set(0);
    scene.bob.clock.set(0);
    shown(&mut inbox, "from the future").await.ack().await.unwrap();
    scene.told_delivered(early).await;
    message.ack().await.unwrap();
    scene.told_delivered(second).await;
    drop(inbox);
    scene.traffic_goes_on(&bob).await;
}

#[tokio::test]
async fn what_waited_for_a_recipient_that_comes_back_ten_minutes_behind_is_kept_until_its_clock_is_set() {
    let mut scene = Scene::new().await;
    scene.bob.clock.set(BEHIND);
    scene.bob_connects().await.close().await;
    let waiting = scene.store("while away").await;
    let bob = scene.bob_connects().await;
    let mut inbox = bob.inbox();
    scene.alice.clock.set(BEHIND);
    scene.send("from the same time").await.unwrap();
    shown(&mut inbox, "from the same time").await.ack().await.unwrap();
    // It was delivered first, and is kept. A process that ends meanwhile leaves it at the relay.
    bob.close().await;
    let bob = scene.bob_connects().await;
    let mut inbox = bob.inbox();
    scene.alice.clock.set(0);
    scene.bob.clock.set(0);
    shown(&mut inbox, "while away").await.ack().await.unwrap();
    scene.told_delivered(waiting).await;
    drop(inbox);
}

#[tokio::test]
async fn a_recipient_that_registered_before_its_clock_was_set_back_is_told_so_and_reached_afterwards() {
    let mut scene = Scene::new().await;
    scene.bob_connects().await.close().await;
    let waiting = scene.store("while away").await;
    scene.bob.clock.set(BEHIND);
    let refused = scene.bob.connect_now(&scene.relay).await.err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Registration(Reason::RecordRollback));
    let set = async {
        scene.bob.clock.set(0);
    };
    let (bob, ()) = tokio::join!(scene.bob_connects(), set);
    shown(&mut bob.inbox(), "while away").await.ack().await.unwrap();
    scene.told_delivered(waiting).await;
    scene.traffic_goes_on(&bob).await;
}

#[tokio::test]
async fn a_running_recipient_that_registers_again_with_a_wrong_clock_goes_on_when_it_is_set() {
    for (wrong, reason) in [(BEHIND, Reason::RecordRollback), (AHEAD, Reason::RecordInFuture)] {
        let mut scene = Scene::new().await;
        let bob = scene.bob_connects().await;
        scene.bob.clock.set(wrong);
        bob.rotate().await.unwrap();
        registration_refused(&bob, reason).await;
        let waiting = scene.store("meanwhile").await;
        scene.bob.clock.set(0);
        shown(&mut bob.inbox(), "meanwhile").await.ack().await.unwrap();
        scene.told_delivered(waiting).await;
        scene.traffic_goes_on(&bob).await;
    }
}

#[tokio::test]
async fn a_recipient_ten_minutes_ahead_is_shown_what_lives_longer_and_refuses_the_rest_as_not_fresh() {
    let mut scene = Scene::new().await;
    let bob = scene.bob_connects().await;
    let to = bob.did().clone();
    scene.bob.clock.set(AHEAD);
    scene.reach(&bob, "a week").await;
    let refused = scene.sender.send_with(&to, Content::text("a minute"), short_lived()).await;
    assert_eq!(scene.refusal(refused).await, Some(RefusalReason::NotFresh));
    assert_eq!(refused_as_old(&bob), 1);

    let mut refusals = bob.refusals();
    let sent = scene.sender.send_event(&to, Content::text("now")).await.unwrap();
    assert_eq!(sent.status, SendStatus::Forwarded, "that is all that is known of it");
    assert_eq!(within("the refusal", refusals.next()).await.unwrap().id, Some(sent.id));
    assert_eq!(refused_as_old(&bob), 2);

    scene.bob.clock.set(0);
    scene.sender.send_with(&to, Content::text("another minute"), short_lived()).await.unwrap();
    shown(&mut bob.inbox(), "another minute").await;
    bob.close().await;
}

#[tokio::test]
async fn what_waits_for_a_recipient_that_starts_ten_minutes_ahead_is_delivered_when_its_clock_is_set() {
    let mut scene = Scene::new().await;
    scene.bob_connects().await.close().await;
    let waiting = scene.store("while away").await;
    scene.bob.clock.set(AHEAD);
    let refused = scene.bob.connect_now(&scene.relay).await.err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Registration(Reason::RecordInFuture));
    scene.bob.clock.set(0);
    let bob = scene.bob_connects().await;
    shown(&mut bob.inbox(), "while away").await.ack().await.unwrap();
    scene.told_delivered(waiting).await;
    scene.traffic_goes_on(&bob).await;
}

#[tokio::test]
async fn a_request_to_a_recipient_ten_minutes_behind_is_answered_late_and_the_answer_is_not_lost() {
    let scene = Scene::new().await;
    let bob = scene.bob_connects().await;
    scene.bob.clock.set(BEHIND);
    let asked = scene.sender.request(bob.did(), Content::text("2+2?"), NO_ANSWER_TIMEOUT).await.unwrap_err();
    assert!(asked.is_timeout() && asked.may_have_been_sent(), "{asked:?}");
    scene.bob.clock.set(0);
    let question = shown(&mut bob.inbox(), "2+2?").await;
    assert_eq!(Some(question.id()), asked.message_id());
    question.reply(Content::text("4")).await.unwrap();
    question.ack().await.unwrap();
    let answer = shown(&mut scene.sender.inbox(), "4").await;
    assert_eq!((answer.message_type(), answer.re()), (MessageType::Response, asked.message_id()));
    bob.close().await;
}

#[tokio::test]
async fn an_answer_of_a_recipient_ten_minutes_ahead_is_kept_until_its_time() {
    let scene = Scene::new().await;
    let bob = scene.bob_connects().await;
    scene.bob.clock.set(AHEAD);
    let answered = async {
        let question = shown(&mut bob.inbox(), "2+2?").await;
        question.reply(Content::text("4")).await.unwrap();
        question.ack().await.unwrap();
    };
    let asking = scene.sender.request(bob.did(), Content::text("2+2?"), NO_ANSWER_TIMEOUT);
    let (asked, ()) = tokio::join!(asking, answered);
    let asked = asked.unwrap_err();
    assert!(asked.is_timeout(), "{asked:?}");
    // Its time comes.
    scene.alice.clock.set(AHEAD);
    let answer = shown(&mut scene.sender.inbox(), "4").await;
    assert_eq!(answer.re(), asked.message_id());
    bob.close().await;
}

#[tokio::test]
async fn a_request_that_a_recipient_ten_minutes_ahead_refuses_ends_at_once_with_the_reason() {
    let scene = Scene::new().await;
    let bob = scene.bob_connects().await;
    scene.bob.clock.set(AHEAD);
    let asking =
        scene.sender.request_with(bob.did(), Content::text("2+2?"), ANSWER_TIMEOUT, short_lived()).await;
    let refused = asking.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Rejected(Reason::Refused), "{refused:?}");
    assert_eq!(refused.refusal(), Some(RefusalReason::NotFresh));
    scene.bob.clock.set(0);
    bob.close().await;
}
