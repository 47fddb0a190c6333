//! Subscriptions to changes of resources: `subscriptions/listen` (MCP 2026-07-28), and
//! `resources/subscribe` in earlier revisions. A notification contains the URI of a resource and
//! never its content.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::RoleServer;
use rmcp::model::{ErrorData, ResourceUpdatedNotificationParam, SubscriptionFilter};
use rmcp::service::{Peer, SubscriptionContext};
use tokio::sync::Semaphore;

use crate::change_feed::{Change, ChangeFeed, ChangeSubscription};
use crate::resource::ResourceUri;

/// Open streams of all clients.
const STREAMS_MAX: usize = 128;
/// Resources that one stream or session may subscribe to.
const SUBSCRIBED_MAX: usize = 256;

/// The streams of this process. Cheap to clone.
#[derive(Clone)]
pub(super) struct Streams {
    permits: Arc<Semaphore>,
    changes: ChangeFeed,
}

impl Streams {
    pub(super) fn new(changes: ChangeFeed) -> Self {
        Self { permits: Arc::new(Semaphore::new(STREAMS_MAX)), changes }
    }

    /// The part of a requested filter that this server supports: changes of the list, and of
    /// resources that may exist. Scopes are checked elsewhere.
    pub(super) fn accept_filter(requested: &SubscriptionFilter) -> SubscriptionFilter {
        let known = |uri: &&String| ResourceUri::parse(uri).is_some();
        let uris = requested.resource_subscriptions.iter().flatten().filter(known).take(SUBSCRIBED_MAX);
        let mut accepted = SubscriptionFilter::new();
        accepted.resources_list_changed = requested.resources_list_changed;
        accepted.resource_subscriptions = Some(uris.cloned().collect());
        accepted
    }

    /// Serves one stream until its client disconnects.
    pub(super) async fn serve(&self, stream: SubscriptionContext) -> Result<(), ErrorData> {
        let Ok(_permit) = self.permits.try_acquire() else {
            return Err(ErrorData::internal_error("too many streams are open; try again later", None));
        };
        let changes = self.changes.subscribe();
        tokio::select! {
            () = stream.cancelled() => {}
            () = notify_stream(changes, &stream) => {}
        }
        Ok(())
    }

    pub(super) fn subscribe(&self) -> ChangeSubscription {
        self.changes.subscribe()
    }
}

/// Returns when the stream can no longer be written.
async fn notify_stream(mut changes: ChangeSubscription, stream: &SubscriptionContext) {
    let subscribed = parse_uris(stream.accepted().resource_subscriptions.iter().flatten());
    loop {
        let change = changes.next().await;
        let list_changed = stream.accepted().resources_list_changed == Some(true);
        if list_changed
            && changes_the_list(change.as_ref())
            && stream.sink().notify_resource_list_changed().await.is_err()
        {
            return;
        }
        for uri in affected(&subscribed, change.as_ref()) {
            if stream.sink().notify_resource_updated(uri.to_string()).await.is_err() {
                return;
            }
        }
    }
}

/// The resources that one session of the handshake era subscribed to. Cheap to clone; clones share
/// them.
#[derive(Clone, Default)]
pub(super) struct SessionSubscriptions(Arc<Mutex<Subscribed>>);

#[derive(Default)]
struct Subscribed {
    uris: HashSet<String>,
    is_notifying: bool,
}

impl SessionSubscriptions {
    /// Subscribes to one more resource. The first one starts the task that notifies the client,
    /// which ends with the session.
    ///
    /// # Errors
    /// No resource has the URI, or there are too many subscriptions.
    pub(super) fn add(&self, uri: &str, streams: &Streams, peer: &Peer<RoleServer>) -> Result<(), ErrorData> {
        if ResourceUri::parse(uri).is_none() {
            return Err(ErrorData::resource_not_found("there is no such resource", None));
        }
        let mut subscribed = self.lock();
        if subscribed.uris.len() >= SUBSCRIBED_MAX {
            return Err(ErrorData::invalid_params(
                "there are too many subscriptions; unsubscribe from some",
                None,
            ));
        }
        subscribed.uris.insert(uri.to_owned());
        let first = !std::mem::replace(&mut subscribed.is_notifying, true);
        drop(subscribed);
        if first {
            let (subscriptions, changes, peer) = (self.clone(), streams.subscribe(), peer.clone());
            tokio::spawn(async move { subscriptions.notify_client(changes, peer).await });
        }
        Ok(())
    }

    pub(super) fn remove(&self, uri: &str) {
        self.lock().uris.remove(uri);
    }

    /// Returns at the next change after the session has ended.
    async fn notify_client(&self, mut changes: ChangeSubscription, peer: Peer<RoleServer>) {
        loop {
            let change = changes.next().await;
            if peer.is_transport_closed() {
                return;
            }
            let subscribed = parse_uris(self.lock().uris.iter());
            for uri in affected(&subscribed, change.as_ref()) {
                let update = ResourceUpdatedNotificationParam::new(uri.to_string());
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
    fn lock(&self) -> MutexGuard<'_, Subscribed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn parse_uris<'a>(uris: impl Iterator<Item = &'a String>) -> Vec<ResourceUri> {
    uris.filter_map(|uri| ResourceUri::parse(uri)).collect()
}

/// The resources that a change affects. `None` means that changes were missed, which may affect
/// all.
fn affected(subscribed: &[ResourceUri], change: Option<&Change>) -> Vec<ResourceUri> {
    let is_affected = |uri: &&ResourceUri| change.is_none_or(|change| uri.is_affected_by(change));
    subscribed.iter().filter(is_affected).copied().collect()
}

/// Whether a change adds a resource to the list or removes one. A task that ends also leaves the
/// list, but its change does not tell that it ended.
const fn changes_the_list(change: Option<&Change>) -> bool {
    matches!(
        change,
        None | Some(
            Change::MessageArrived { .. } | Change::MessageReadOrDeleted { .. } | Change::TaskAdded { .. }
        )
    )
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
        let granted = Streams::accept_filter(&requested);
        assert_eq!(granted.resource_subscriptions, Some(vec![inbox]));
        assert_eq!((granted.resources_list_changed, granted.tools_list_changed), (Some(true), None));
    }

    #[test]
    fn after_missed_changes_everything_counts_as_changed() {
        let subscribed = [ResourceUri::Inbox, ResourceUri::Tasks];
        assert_eq!(affected(&subscribed, None), subscribed);
        assert_eq!(
            affected(&subscribed, Some(&Change::MessageReadOrDeleted { id: message_id(1) })),
            [ResourceUri::Inbox]
        );
        assert!(
            changes_the_list(None) && !changes_the_list(Some(&Change::TaskChanged { id: message_id(1) }))
        );
    }
}
