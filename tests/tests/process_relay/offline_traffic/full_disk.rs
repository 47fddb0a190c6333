//! A tenant takes all the disk that it can get, then somebody else takes the rest: others go on,
//! and the relay recovers by itself.

use std::time::{Duration, Instant};

use anyhow::ensure;
use devtools::eventually::eventually;
use devtools::load::relay::admission::{Upgrade, open};
use devtools::relay_process::RelayProcess;
use futures::future::join_all;
use protocol::admin::AgentSpec;
use protocol::frame::SendStatus;
use protocol::quota::QuotaName;
use protocol::{Reason, multikey};
use tokio::net::TcpStream;

use super::mail_pair::MailPair;
use super::{BODY_CHARACTERS, metric};
use crate::agents::Declared;

/// Senders of the tenant that takes all it can.
const GREEDY: usize = 8;
/// A body of which one page of SQLite holds one, and almost a second one: it wastes the most space.
const GREEDY_BODY_CHARACTERS: usize = 7_600;

/// Bounds the return of a relay to work when its disk has room again.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(60);

/// The tenant's senders fill mailboxes until its quota refuses them. Another tenant still sends,
/// and a revocation is carried out.
pub(super) async fn one_tenant_takes_all_it_can(relay: &RelayProcess, other: &mut MailPair) -> Vec<MailPair> {
    let mut greedy = Vec::new();
    for number in 0..GREEDY {
        greedy.push(MailPair::declare(relay, "greedy", number).await);
    }
    let begun = Instant::now();
    join_all(greedy.iter_mut().map(|pair| fill(relay, pair))).await;
    let stored: usize = greedy.iter().map(MailPair::stored).sum();
    println!("one tenant stored {stored} messages in {:.1} s", begun.elapsed().as_secs_f64());

    let mut sender = other.connect_sender(relay).await;
    let template = other.envelope(BODY_CHARACTERS);
    assert_eq!(other.try_send(&mut sender, &template).await.refusal(), None);
    revoke(relay, &greedy[0].sender).await;
    sender.leave().await;
    greedy
}

async fn fill(relay: &RelayProcess, pair: &mut MailPair) {
    let mut sender = pair.connect_sender(relay).await;
    let template = pair.envelope(GREEDY_BODY_CHARACTERS);
    let refused = loop {
        let answer = pair.try_send(&mut sender, &template).await;
        if answer.refusal() == Some(Reason::StorageFull) {
            break answer;
        }
    };
    assert_eq!(refused.quota(), Some(QuotaName::TenantMailboxBytes));
    sender.leave().await;
}

/// Takes an agent's keys away. The relay refuses the next connection.
async fn revoke(relay: &RelayProcess, agent: &Declared) {
    let identity = agent.identity();
    let root_key = Some(multikey::encode_ed25519(&identity.root_public()));
    let spec = AgentSpec { root_key, ..AgentSpec::default() };
    let put = relay.admin().unwrap().put_agent(&identity, &spec).await;
    put.unwrap_or_else(|error| panic!("{error:#}; log of the relay:\n{}", relay.log()));
    let url = relay.url();
    let stream = TcpStream::connect(url.trim_start_matches("ws://").trim_end_matches("/ws")).await.unwrap();
    let answer = open(stream, &url, &agent.key).await.unwrap();
    assert!(matches!(answer, Upgrade::Refused(401)), "a revoked key opens a connection");
}

/// Messages that must be stored are refused. Others are delivered, and a revocation is carried out.
pub(super) async fn others_go_on_while_the_disk_is_full(
    relay: &RelayProcess,
    other: &mut MailPair,
    revoked: &MailPair,
) {
    let mut sender = other.connect_sender(relay).await;
    let template = other.envelope(BODY_CHARACTERS);
    let refused = other.try_send(&mut sender, &template).await;
    assert_eq!(refused.refusal(), Some(Reason::StorageUnavailable));
    revoke(relay, &revoked.sender).await;
    let delivered = other.send_to_present_recipient(relay, &mut sender, &template).await;
    assert_eq!(delivered, SendStatus::Delivered);
    sender.leave().await;
}

pub(super) async fn the_relay_recovers(relay: &RelayProcess, other: &mut MailPair) {
    let mut sender = other.connect_sender(relay).await;
    let template = other.envelope(BODY_CHARACTERS);
    let begun = Instant::now();
    eventually("messages are stored again", RECOVERY_TIMEOUT, async || {
        let refusal = other.try_send(&mut sender, &template).await.refusal();
        ensure!(refusal.is_none(), "{refusal:?}");
        Ok(())
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}; log of the relay:\n{}", relay.log()));
    println!("messages are stored again {:.1} s after the last was taken", begun.elapsed().as_secs_f64());
    eventually("the store works", RECOVERY_TIMEOUT, async || {
        let working = metric(relay, "msg2agent_relay_store_condition{condition=\"working\"}").await;
        ensure!(working == Some(1.0), "{working:?}");
        Ok(())
    })
    .await
    .unwrap();
    sender.leave().await;
}
