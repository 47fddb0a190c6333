//! Shows that agents reconnect on their own and that answers from before stay true.

use std::time::Duration;

use msg2agent::Content;

use crate::agents::{pair, relay};

#[tokio::test]
async fn requests_are_answered_again_after_the_relay_was_killed() {
    let mut relay = relay().await;
    let (alice, bob) = pair(&relay).await;
    let answering = bob.clone();
    let answers = tokio::spawn(async move {
        let mut inbox = answering.inbox();
        while let Some(message) = inbox.next().await {
            let text = format!("re: {}", message.text().unwrap_or_default());
            message.reply(Content::text(&text)).await.unwrap();
            message.ack().await.unwrap();
            if text == "re: two" {
                break;
            }
        }
    });
    let ask = |text: &'static str| alice.request(bob.did(), Content::text(text), Duration::from_secs(60));
    assert_eq!(ask("one").await.unwrap().text(), Some("re: one"));
    relay.kill().await.unwrap();
    let (answer, restarted) = tokio::join!(ask("two"), relay.restart());
    restarted.unwrap();
    assert_eq!(answer.unwrap().text(), Some("re: two"));
    // Alice has her answer before Bob's acknowledgement is out: he may close only after it.
    answers.await.unwrap();
    bob.close().await;
}
