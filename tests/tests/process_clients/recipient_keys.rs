//! Sends to a recipient that has lost keys: the sender is told what could not be opened, and what
//! is sent afterwards is sealed to the new key, or not sent.

use std::time::Duration;

use msg2agent::{Agent, Config, Content, DiscardReason, ErrorKind, Reason, RefusalReason};

use crate::recipient::Scene;

/// Longer than the test lasts.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// The id of the key that was lost, and another one.
const KEY_IDS: [&str; 2] = ["enc-1", "enc-2"];

fn unreadable(agent: &Agent) -> u64 {
    agent.refusal_counts()[&DiscardReason::Refused(RefusalReason::Undecryptable)]
}

#[tokio::test]
async fn what_waited_for_a_lost_encryption_key_is_refused_and_the_next_message_is_sealed_to_the_new_one() {
    for kid in KEY_IDS {
        let mut scene = Scene::new().await;
        scene.bob_connects().await.close().await;
        let waiting = scene.store("for the lost key").await;
        scene.bob.lose_encryption_key(kid);
        let bob = scene.bob_connects().await;
        assert_eq!(scene.refusal_of_stored(waiting).await, Some(RefusalReason::Undecryptable), "{kid}");
        assert_eq!(unreadable(&bob), 1);
        scene.traffic_goes_on(&bob).await;
    }
}

#[tokio::test]
async fn a_sender_that_still_knows_the_lost_key_is_refused_once() {
    for kid in KEY_IDS {
        let mut scene = Scene::new().await;
        let bob = scene.bob_connects().await;
        scene.reach(&bob, "known").await;
        bob.close().await;
        scene.bob.lose_encryption_key(kid);
        let bob = scene.bob_connects().await;
        let sent = scene.send("for the lost key").await;
        assert_eq!(scene.refusal(sent).await, Some(RefusalReason::Undecryptable), "{kid}");
        assert_eq!(unreadable(&bob), 1);
        scene.traffic_goes_on(&bob).await;
    }
}

#[tokio::test]
async fn a_request_that_waited_for_a_lost_encryption_key_ends_with_the_reason() {
    let mut scene = Scene::new().await;
    let bob = scene.bob_connects().await;
    let did = bob.did().clone();
    bob.close().await;
    let comes_back = async {
        scene.stored().await;
        scene.bob.lose_encryption_key("enc-1");
        scene.bob_connects().await
    };
    let asking = scene.sender.request(&did, Content::text("2+2?"), ANSWER_TIMEOUT);
    let (asked, bob) = tokio::join!(asking, comes_back);
    let refused = asked.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Rejected(Reason::Refused), "{refused:?}");
    assert_eq!(refused.refusal(), Some(RefusalReason::Undecryptable));
    let id = refused.message_id().unwrap();
    assert_eq!(scene.refusal_of_stored(id).await, Some(RefusalReason::Undecryptable));
    scene.traffic_goes_on(&bob).await;
}

#[tokio::test]
async fn a_lost_encryption_key_and_a_clock_ten_minutes_behind_are_told_when_the_clock_is_set() {
    let mut scene = Scene::new().await;
    scene.bob.clock.set(-600);
    scene.bob_connects().await.close().await;
    let waiting = scene.store("for the lost key").await;
    scene.bob.lose_encryption_key("enc-1");
    let bob = scene.bob_connects().await;
    scene.bob.clock.set(0);
    assert_eq!(scene.refusal_of_stored(waiting).await, Some(RefusalReason::Undecryptable));
    scene.traffic_goes_on(&bob).await;
}

#[tokio::test]
async fn a_replaced_root_key_is_reached_by_nobody_before_a_person_has_accepted_it() {
    let mut scene = Scene::new().await;
    scene.bob_connects().await.close().await;
    let waiting = scene.store("for the lost keys").await;
    scene.bob.replace_root_key(&scene.relay).await;
    let bob = scene.bob_connects().await;
    assert_eq!(scene.refusal_of_stored(waiting).await, Some(RefusalReason::Undecryptable));
    assert_eq!(unreadable(&bob), 1);

    let unsent = scene.send("to whom?").await.unwrap_err();
    assert!(unsent.is_key_changed() && !unsent.may_have_been_sent(), "{unsent:?}");
    let mut notices = bob.notices();
    let word = match bob.send(scene.sender.did(), Content::text("it is me")).await {
        Ok(_) => notices.next().await.unwrap().reason,
        Err(error) => error.refusal(),
    };
    assert_eq!(word, Some(RefusalReason::KeyChanged), "the new Bob learns that he is not known");

    assert!(scene.sender.forget(bob.did()).unwrap());
    scene.traffic_goes_on(&bob).await;
}

#[tokio::test]
async fn a_replaced_root_key_that_the_administrator_announces_is_reached_by_who_trusts_it() {
    let mut scene = Scene::with(Config::accepting_announced_root_keys).await;
    scene.bob_connects().await.close().await;
    let waiting = scene.store("for the lost keys").await;
    // Its clock is behind, too: a new root key is not older than the one before.
    scene.bob.clock.set(-600);
    scene.bob.replace_root_key(&scene.relay).await;
    let bob = scene.bob_connects().await;
    scene.bob.clock.set(0);
    assert_eq!(scene.refusal_of_stored(waiting).await, Some(RefusalReason::Undecryptable));
    scene.traffic_goes_on(&bob).await;
}
