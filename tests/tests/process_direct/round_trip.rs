//! Prints the round trip of 1 KiB directly and through the relay. The times are not asserted.

use std::time::{Duration, Instant};

use msg2agent::{Agent, Content, Did, Path, PathChoice, SendOptions};

use crate::agents::DirectSite;
use crate::numbered;

const ROUND_TRIPS: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn a_kibibyte_goes_there_and_back_on_either_way() {
    let site = DirectSite::start().await;
    let (alice, bob) = (site.listening("alice").await, site.listening("bob").await);
    numbered::send_first(&alice.agent, &bob.agent).await;
    for (choice, path) in [(PathChoice::DirectOnly, Path::Direct), (PathChoice::RelayOnly, Path::Relay)] {
        let answering = tokio::spawn(answer(bob.agent.clone(), alice.agent.did().clone(), choice));
        let mut times = Vec::new();
        let mut inbox = alice.agent.inbox();
        for _ in 0..ROUND_TRIPS {
            let begun = Instant::now();
            let sending = send(&alice.agent, bob.agent.did(), choice);
            let answered = async {
                inbox.next().await.unwrap().ack().await.unwrap();
                begun.elapsed()
            };
            let (sent, time) = tokio::join!(sending, answered);
            assert_eq!(sent, path);
            times.push(time);
        }
        answering.abort();
        times.sort_unstable();
        let of = |percent: usize| -> Duration { times[ROUND_TRIPS * percent / 100] };
        println!("1 KiB there and back, {}: p50 {:?}, p99 {:?}", path.as_str(), of(50), of(99));
    }
}

async fn answer(agent: Agent, to: Did, choice: PathChoice) {
    let mut inbox = agent.inbox();
    while let Some(message) = inbox.next().await {
        message.ack().await.unwrap();
        send(&agent, &to, choice).await;
    }
}

async fn send(agent: &Agent, to: &Did, choice: PathChoice) -> Path {
    let options = SendOptions { path: choice, ..SendOptions::default() };
    agent.send_with(to, Content::text("x".repeat(1024)), options).await.unwrap().path
}
