//! Tests that nothing is lost, repeated or out of order while ways break and come back.

use msg2agent::{Content, Path, SendStatus};
use msg2agent_tests::fault_proxy::Fault;

use crate::agents::DirectSite;
use crate::numbered;

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_messages_survive_a_relay_that_is_killed_in_the_middle() {
    const COUNT: usize = 10_000;
    let mut site = DirectSite::start().await;
    let (alice, bob) = (site.listening("alice").await.agent, site.listening("bob").await);
    // Bob's address is known from his record before the relay is gone.
    numbered::send_first(&alice, &bob.agent).await;
    let relay = tokio::sync::Mutex::new(&mut site.relay);
    let kill = async |number| {
        if number == COUNT / 2 {
            relay.lock().await.kill().await.unwrap();
        }
    };
    let (paths, ()) = tokio::join!(
        numbered::send(&alice, bob.agent.did(), COUNT, kill),
        numbered::receive(&bob.agent, COUNT)
    );
    assert_eq!(paths.values().sum::<usize>(), COUNT);
    assert!(paths[Path::Direct.as_str()] > COUNT / 2, "{paths:?}");
    assert!(bob.agent.inbox().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_keeps_its_order_while_both_ways_break_and_come_back() {
    const COUNT: usize = 4000;
    let site = DirectSite::start().await;
    let (alice, bob) = (site.listening("alice").await.agent, site.listening("bob").await);
    numbered::send_first(&alice, &bob.agent).await;
    let faults = async |number| match number % 800 {
        100 => bob.proxy.cut(),
        200 => bob.proxy.set(Fault::Refuse),
        300 => bob.proxy.set(Fault::None),
        400 => site.relay_proxy.cut(),
        500 => bob.proxy.set(Fault::Stall),
        600 => bob.proxy.set(Fault::None),
        700 => {
            bob.proxy.cut();
            site.relay_proxy.cut();
        }
        _ => {}
    };
    let (paths, ()) = tokio::join!(
        numbered::send(&alice, bob.agent.did(), COUNT, faults),
        numbered::receive(&bob.agent, COUNT)
    );
    assert!(paths[Path::Direct.as_str()] > 0 && paths[Path::Relay.as_str()] > 0, "{paths:?}");
    // A message after all of them shows that none came twice.
    let mut inbox = bob.agent.inbox();
    let last = async {
        let message = inbox.next().await.unwrap();
        message.ack().await.unwrap();
        message.text().unwrap().to_owned()
    };
    let (sent, text) = tokio::join!(alice.send(bob.agent.did(), Content::text("last")), last);
    assert_eq!((sent.unwrap().status == SendStatus::Forwarded, text.as_str()), (false, "last"));
}

#[tokio::test]
async fn what_the_recipient_does_not_acknowledge_is_stored_within_a_second_and_shown_once() {
    let site = DirectSite::start().await;
    let (alice, listening) = (site.listening("alice").await.agent, site.listening("bob").await);
    let bob = &listening.agent;
    let begun = std::time::Instant::now();
    let sent = alice.send(bob.did(), Content::text("0")).await.unwrap();
    assert_eq!((sent.status, sent.path), (SendStatus::Stored, Path::Relay));
    assert!(begun.elapsed() < std::time::Duration::from_secs(2), "{:?}", begun.elapsed());
    let (second, ()) = tokio::join!(alice.send(bob.did(), Content::text("1")), numbered::receive(bob, 2));
    assert_eq!(second.unwrap().path, Path::Direct);
    assert!(bob.inbox().is_empty());
}
