//! Who wants to hear of which changes: `subscriptions/listen` (MCP 2026-07-28), `resources/subscribe` in the revisions before it.
//! A notification names a resource and never carries its content.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::RoleServer;
use rmcp::model::{ErrorData, ResourceUpdatedNotificationParam, SubscriptionFilter};
use rmcp::service::{Peer, SubscriptionContext};
use tokio::sync::Semaphore;

use crate::change_feed::{Change, ChangeFeed, ChangeSubscription};
use crate::resource::Address;

/// Streams that are listened to at a time, of all clients.
const STREAMS_MAX: usize = 128;
/// Resources one stream or session may follow.
const FOLLOWED_MAX: usize = 256;

/// The streams of this process.
#[derive(Clone)]
pub(super) struct Streams {
    room: Arc<Semaphore>,
    changes: ChangeFeed,
}

impl Streams {
    pub(super) fn new(changes: ChangeFeed) -> Self {
        Self { room: Arc::new(Semaphore::new(STREAMS_MAX)), changes }
    }

    /// What of a wish is granted: changes of the list, and of resources that exist in principle. Rights were checked before.
    pub(super) fn grant(requested: &SubscriptionFilter) -> SubscriptionFilter {
        let known = |uri: &&String| Address::parse(uri).is_some();
        let uris = requested.resource_subscriptions.iter().flatten().filter(known).take(FOLLOWED_MAX);
        let mut granted = SubscriptionFilter::new();
        granted.resources_list_changed = requested.resources_list_changed;
        granted.resource_subscriptions = Some(uris.cloned().collect());
        granted
    }

    /// Runs one stream until its client goes away.
    pub(super) async fn serve(&self, stream: SubscriptionContext) -> Result<(), ErrorData> {
        let Ok(_room) = self.room.try_acquire() else {
            return Err(ErrorData::internal_error("too many streams are listened to; try again later", None));
        };
        let changes = self.changes.subscribe();
        tokio::select! {
            () = stream.cancelled() => {}
            () = forward(changes, &stream) => {}
        }
        Ok(())
    }

    pub(super) fn listen(&self) -> ChangeSubscription {
        self.changes.subscribe()
    }
}

/// Returns when the stream cannot be written any more.
async fn forward(mut changes: ChangeSubscription, stream: &SubscriptionContext) {
    let followed = addresses(stream.accepted().resource_subscriptions.iter().flatten());
    loop {
        let change = changes.next().await;
        let list_changed = stream.accepted().resources_list_changed == Some(true);
        if list_changed
            && changes_the_list(change.as_ref())
            && stream.sink().notify_resource_list_changed().await.is_err()
        {
            return;
        }
        for address in touched(&followed, change.as_ref()) {
            if stream.sink().notify_resource_updated(address.uri()).await.is_err() {
                return;
            }
        }
    }
}

/// What one session of the handshake era follows. Cheap to clone; clones follow the same.
#[derive(Clone, Default)]
pub(super) struct Followed(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    addresses: HashSet<String>,
    forwarding: bool,
}

impl Followed {
    /// Follows one more resource. The first one starts the task that tells the client; it ends with the session.
    ///
    /// # Errors
    /// No resource has the address, or too many are followed.
    pub(super) fn add(&self, uri: &str, streams: &Streams, peer: &Peer<RoleServer>) -> Result<(), ErrorData> {
        if Address::parse(uri).is_none() {
            return Err(ErrorData::resource_not_found("there is no such resource", None));
        }
        let mut state = self.lock();
        if state.addresses.len() >= FOLLOWED_MAX {
            return Err(ErrorData::invalid_params(
                "too many resources are followed; unsubscribe from some",
                None,
            ));
        }
        state.addresses.insert(uri.to_owned());
        let first = !std::mem::replace(&mut state.forwarding, true);
        drop(state);
        if first {
            let (followed, changes, peer) = (self.clone(), streams.listen(), peer.clone());
            tokio::spawn(async move { followed.forward(changes, peer).await });
        }
        Ok(())
    }

    pub(super) fn remove(&self, uri: &str) {
        self.lock().addresses.remove(uri);
    }

    /// Returns when the session has ended, at the next change.
    async fn forward(&self, mut changes: ChangeSubscription, peer: Peer<RoleServer>) {
        loop {
            let change = changes.next().await;
            if peer.is_transport_closed() {
                return;
            }
            let followed = addresses(self.lock().addresses.iter());
            for address in touched(&followed, change.as_ref()) {
                let update = ResourceUpdatedNotificationParam::new(address.uri());
                if peer.notify_resource_updated(update).await.is_err() {
                    return;
                }
            }
            if changes_the_list(change.as_ref()) && peer.notify_resource_list_changed().await.is_err() {
                return;
            }
        }
    }

    // A panic under the lock leaves a consistent set behind: every change is one insert or remove.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn addresses<'a>(uris: impl Iterator<Item = &'a String>) -> Vec<Address> {
    uris.filter_map(|uri| Address::parse(uri)).collect()
}

/// When changes were missed, everything may have changed.
fn touched(followed: &[Address], change: Option<&Change>) -> Vec<Address> {
    let is_touched = |address: &&Address| change.is_none_or(|change| address.is_touched_by(change));
    followed.iter().filter(is_touched).copied().collect()
}

/// New and gone messages, new and ended tasks. Which of the changes of a task end it, the list tells.
const fn changes_the_list(change: Option<&Change>) -> bool {
    matches!(change, None | Some(Change::MessageArrived { .. } | Change::MessageReadOrDeleted { .. } | Change::TaskAdded { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::message_id;

    #[test]
    fn a_wish_for_something_else_is_not_granted() {
        let inbox = "msg2agent://inbox".to_owned();
        let requested = SubscriptionFilter::builder()
            .tools_list_changed()
            .resources_list_changed()
            .resource_subscriptions([inbox.clone(), "file:///etc/passwd".to_owned()])
            .build();
        let granted = Streams::grant(&requested);
        assert_eq!(granted.resource_subscriptions, Some(vec![inbox]));
        assert_eq!((granted.resources_list_changed, granted.tools_list_changed), (Some(true), None));
    }

    #[test]
    fn after_missed_changes_everything_counts_as_changed() {
        let followed = [Address::Inbox, Address::Tasks];
        assert_eq!(touched(&followed, None), followed);
        assert_eq!(touched(&followed, Some(&Change::MessageReadOrDeleted { id: message_id(1) })), [Address::Inbox]);
        assert!(
            changes_the_list(None) && !changes_the_list(Some(&Change::TaskChanged { id: message_id(1) }))
        );
    }
}
