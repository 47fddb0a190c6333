//! Registers with every key again and again, each time with a card that is new to the relay.

use std::sync::Arc;

use protocol::record::Card;
use tokio::task::JoinSet;

use super::super::client_socket::connect;
use super::super::relay::admission::{self, RequestRefused, Upgrade};
use super::answers::{CLOSED, SharedAnswers, word_of};
use super::site::{AttackTarget, AttackingAgent};

pub(super) fn spawn(
    target: &Arc<AttackTarget>,
    answers: &Arc<SharedAnswers>,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) {
    for agent in target.keys() {
        let (target, answers) = (Arc::clone(target), Arc::clone(answers));
        tasks.spawn_local(async move {
            let mut number = 0_u64;
            loop {
                if register_often(&target, &agent, &answers, &mut number).await.is_err() {
                    answers.refuse(CLOSED);
                }
            }
        });
    }
}

/// Registers on one connection until its own rate of requests is used up, which it would have to
/// wait for.
async fn register_often(
    target: &AttackTarget,
    agent: &AttackingAgent,
    answers: &SharedAnswers,
    number: &mut u64,
) -> anyhow::Result<()> {
    let stream = connect(target.address, agent.source).await?;
    let mut socket = match admission::open(stream, &target.url, &agent.key).await? {
        Upgrade::Open(socket) => socket,
        Upgrade::Refused(status) => {
            answers.refuse(&status.to_string());
            return Ok(());
        }
    };
    loop {
        *number += 1;
        let card = Card { description: format!("version {number}"), ..Card::default() };
        match admission::register_with(&mut socket, &agent.identity, card).await {
            Ok(_) => answers.accept(),
            Err(error) => {
                let Some(refused) = error.downcast_ref::<RequestRefused>() else { return Err(error) };
                let word = word_of(refused.error.data.reason, refused.error.data.quota);
                answers.refuse(word);
                if word == protocol::quota::QuotaName::QueriesBurst.as_str() {
                    return Ok(());
                }
            }
        }
    }
}
