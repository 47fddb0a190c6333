//! The attacker: a thread of its own that asks without pause until it is told to end.

use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context as _, bail};
use protocol::frame::{DiscoverParams, LookupParams};
use tokio::sync::oneshot;
use tokio::task::{JoinSet, LocalSet};

use super::super::process;
use super::answers::{Answers, SharedAnswers};
use super::flood::Request;
use super::scenario::AttackedResource;
use super::site::{AttackTarget, AttackingAgent};
use super::{flood, half_open, held_connections, registrations};

/// Bytes of a message to an agent that is away.
const STORED_BYTES: usize = 1024;
/// Bytes of a message to an agent that does not read: half of the largest frame.
const LARGE_BYTES: usize = 512 * 1024;

/// A running attack. It ends with [`Attack::end`], or when it is dropped.
pub struct Attack {
    thread: JoinHandle<anyhow::Result<()>>,
    answers: Arc<SharedAnswers>,
    stop: oneshot::Sender<()>,
}

impl Attack {
    /// # Errors
    /// No thread.
    pub fn start(target: AttackTarget, resource: AttackedResource, pinned: bool) -> anyhow::Result<Self> {
        let (answers, (stop, stopped)) = (Arc::new(SharedAnswers::default()), oneshot::channel());
        let counted = Arc::clone(&answers);
        let thread = std::thread::Builder::new().name("attacker".to_owned());
        let thread = thread.spawn(move || {
            if pinned {
                process::yield_to_others()?;
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let attacked =
                runtime.block_on(LocalSet::new().run_until(attack(target, resource, &counted, stopped)));
            counted.notify();
            attacked
        })?;
        Ok(Self { thread, answers, stop })
    }

    /// Returns when the answers are as wanted, or the attacker has failed.
    pub async fn until(&self, wanted: impl Fn(&Answers) -> bool) {
        while !self.thread.is_finished() && !wanted(&self.answers.so_far()) {
            self.answers.changed().await;
        }
    }

    /// # Errors
    /// The attacker could not do what it had to.
    pub fn end(self) -> anyhow::Result<Answers> {
        drop(self.stop);
        match self.thread.join() {
            Ok(ended) => ended.context("attack")?,
            Err(_) => bail!("the attacker panicked"),
        }
        Ok(self.answers.so_far())
    }
}

async fn attack(
    target: AttackTarget,
    resource: AttackedResource,
    answers: &Arc<SharedAnswers>,
    stopped: oneshot::Receiver<()>,
) -> anyhow::Result<()> {
    let target = Arc::new(target);
    let mut tasks = JoinSet::new();
    match resource {
        AttackedResource::Connections => held_connections::spawn(&target, answers, &mut tasks),
        AttackedResource::Handshakes => half_open::spawn(&target, answers, &mut tasks),
        AttackedResource::Registrations => registrations::spawn(&target, answers, &mut tasks),
        AttackedResource::Discovery
        | AttackedResource::Lookups
        | AttackedResource::Disk
        | AttackedResource::Memory => {
            for pair in &target.pairs {
                let request = request(resource, pair)?;
                tasks.spawn_local(flood::run(
                    Arc::clone(&target),
                    pair.clone(),
                    request,
                    Arc::clone(answers),
                ));
            }
        }
    }
    tokio::select! {
        _ = stopped => Ok(()),
        ended = failed(&mut tasks) => {
            ended
        }
    }
}

/// Returns when a task has ended, which only a failure does.
async fn failed(tasks: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    match tasks.join_next().await {
        Some(ended) => ended.context("a task of the attacker panicked")?,
        None => bail!("the attacker has nothing to do"),
    }
}

fn request(
    resource: AttackedResource,
    (sender, recipient): &(AttackingAgent, AttackingAgent),
) -> anyhow::Result<Request> {
    let (from, to) = (sender.identity.did(), recipient.identity.did());
    Ok(match resource {
        AttackedResource::Discovery => {
            Request::query(protocol::frame::method::DISCOVER, &DiscoverParams::default())
        }
        AttackedResource::Disk => Request::message(from, to, STORED_BYTES, false)?,
        AttackedResource::Memory => Request::message(from, to, LARGE_BYTES, true)?,
        _ => Request::query(protocol::frame::method::LOOKUP, &LookupParams { did: from.clone() }),
    })
}
