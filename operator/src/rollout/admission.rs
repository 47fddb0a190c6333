//! Admits workloads to be applied: reads the caches, asks for a turn, and wakes who waits for one.

use kube::ResourceExt as _;
use serde::Serialize;

use super::stamp::{Origin, Stamp};
use super::turns::{Precedent, TurnRequest, Workloads};
use super::workload::WorkloadKind;
use super::{Decision, decide, is_done};
use crate::context::Context;
use crate::object_key::{NamespacedName, ObjectKey};
use crate::queue::Priority;

/// The workload with its stamp, to be applied now. `None` if it waits for its turn; then `owner` is
/// reconciled again when it may have one. `author` is what the author of the owner wrote about it.
pub fn admit<W: WorkloadKind>(
    context: &Context,
    mut workload: W,
    author: &impl Serialize,
    owner: ObjectKey,
    precedent: &Precedent,
) -> Option<W> {
    let name = NamespacedName::from_object(&workload);
    let template = workload.pod_template().cloned().unwrap_or_default();
    let stamp = Stamp::new(&template, author);
    let observed = W::cached(&context.caches, &name).map(|found| found.observed());
    let origin = match decide(&stamp, observed.as_ref()) {
        Decision::Apply(origin) => origin,
        Decision::NeedsTurn => {
            let budget = budget(context);
            let request =
                TurnRequest { workload: &name, template: &stamp.template, owner, precedent, budget };
            if context.rollouts.request(&request, || workloads(context)).is_some() {
                return None;
            }
            Origin::Operator
        }
    };
    stamp.write(workload.meta_mut().annotations.get_or_insert_default(), origin);
    context.rollouts.admit(&name);
    wake_waiting(context);
    Some(workload)
}

/// Tells the objects that wait for a Relay whether its workload is up to date and serves. `applied`
/// is `None` while the workload itself waits.
pub fn report_relay<W: WorkloadKind>(context: &Context, relay: &NamespacedName, applied: Option<&W>) {
    let is_done = applied.is_some_and(|applied| {
        let observed = W::cached(&context.caches, &NamespacedName::from_object(applied));
        let stamp = Stamp::read(applied.annotations());
        stamp.zip(observed).is_some_and(|(stamp, found)| is_done(&stamp, &found.observed()))
    });
    context.rollouts.report_relay(relay, is_done);
    wake_waiting(context);
}

fn wake_waiting(context: &Context) {
    for key in context.rollouts.take_waiting(|| workloads(context), budget(context)) {
        context.queue.add(key, Priority::Normal);
    }
}

fn budget(context: &Context) -> usize {
    usize::from(context.settings.rollout_budget)
}

fn workloads(context: &Context) -> Workloads {
    let caches = &context.caches;
    let sets = caches.stateful_sets.all();
    let deployments = caches.deployments.all();
    let sets = sets.iter().map(|set| (NamespacedName::from_object(&**set), set.observed()));
    let deployments =
        deployments.iter().map(|found| (NamespacedName::from_object(&**found), found.observed()));
    sets.chain(deployments).collect()
}
