//! Keeps one store equal to the cluster: lists a kind, follows its watch, and lists again when the
//! API server no longer has the version.
//!
//! kube's watcher is not used because it hides bookmarks. They are the sign of life of a kind where
//! nothing changes, and the list tells what was deleted in a gap. A key that is revoked in a gap,
//! or while ten thousand objects are listed, does not wait for them: the watch begins with the
//! first page of a list, and then the names alone are read, which takes a fraction of the time.

use daemon::error_chain;
use tokio::time::Instant;

use super::retry_pace::RetryPace;
use super::unfinished_list::UnfinishedList;
use super::watch_reader::{Position, WatchEnd, WatchError, WatchReader};
use super::watch_source::{Decoded, Observation, WatchSource};
use crate::jitter::Jitter;
use crate::metrics::Metrics;
use crate::object_key::NamespacedName;

/// What a watch fills.
pub(super) trait WatchSink<K>: Send + 'static {
    /// What is kept of an object until its list is complete: little, because there may be ten
    /// thousand of them.
    type Listed: Send;

    /// One object of a list that is not complete yet.
    fn read(&self, object: Decoded<K>) -> Self::Listed;
    /// The complete list of objects.
    fn listed(&mut self, objects: Vec<Self::Listed>);
    fn applied(&mut self, object: Decoded<K>);
    fn deleted(&mut self, object: Decoded<K>);

    /// Whether it is urgent to learn what was deleted in a gap.
    fn needs_names(&self) -> bool {
        false
    }

    /// Drops the objects that are not present, which were deleted. Returns their names.
    fn drop_absent(&mut self, _is_present: impl Fn(&NamespacedName) -> bool) -> Vec<NamespacedName> {
        Vec::new()
    }

    #[cfg(test)]
    fn list(&mut self, objects: Vec<Decoded<K>>) {
        let read = objects.into_iter().map(|object| self.read(object)).collect();
        self.listed(read);
    }
}

/// A watch and what it fills.
pub(super) struct WatchTask<K, S, W> {
    /// The plural name of the kind, for logs and metrics.
    pub name: &'static str,
    pub reader: WatchReader<S>,
    pub sink: W,
    pub metrics: Metrics,
    pub jitter: Jitter,
    pub kind: std::marker::PhantomData<fn(K)>,
}

impl<K: Clone + Send + 'static, S: WatchSource<K>, W: WatchSink<K>> WatchTask<K, S, W> {
    /// Runs until it is dropped.
    pub(super) async fn run(mut self) {
        let (mut position, mut pace) = (None, RetryPace::default());
        loop {
            let begun = Instant::now();
            let end = match position.take() {
                None => match self.list().await {
                    Ok(listed) => {
                        pace.listed(Instant::now());
                        position = Some(listed);
                        continue;
                    }
                    Err(error) => WatchEnd::Failed(error),
                },
                Some(mut at) => {
                    let end = self.follow(&mut at).await;
                    let must_list = matches!(end, WatchEnd::Expired | WatchEnd::Garbled(_));
                    position = (!must_list).then_some(Position { events: None, ..at });
                    end
                }
            };
            let delay = pace.delay(&end, (begun, Instant::now()), self.jitter.draw());
            self.tell(end);
            tokio::time::sleep(delay).await;
        }
    }

    fn tell(&self, end: WatchEnd) {
        match end {
            WatchEnd::Closed => {}
            WatchEnd::Expired => tracing::info!(watch = self.name, "the watch expired; listing again"),
            WatchEnd::Garbled(error) => self.tell_failure(&error),
            WatchEnd::Failed(error) => self.tell_failure(&*error),
        }
    }

    fn tell_failure(&self, error: &(dyn std::error::Error + 'static)) {
        self.metrics.watch_failures.with_label_values(&[self.name]).inc();
        tracing::warn!(watch = self.name, error = error_chain(error), "watch failed; retrying");
    }

    /// Lists all pages into the sink. What changes meanwhile reaches the sink at once, and again
    /// with the list, which would otherwise take it back.
    async fn list(&mut self) -> Result<Position<K>, WatchError> {
        let Self { reader, sink, .. } = self;
        let mut page = reader.page(None).await?;
        let mut following = Following::from_version(std::mem::take(&mut page.resource_version));
        let mut list = UnfinishedList::default();
        let has_more = page.next.as_ref().is_some_and(|token| !token.is_empty());
        if has_more && sink.needs_names() {
            let names = following.during(reader.names(), reader, sink, &mut list).await;
            if let Some(names) = names {
                // The watch has told what was made after the first page.
                let is_present = |name: &NamespacedName| names.contains(name) || list.has_changed(name);
                list.delete(sink.drop_absent(is_present));
            }
        }
        loop {
            list.add_page(page.objects, |object| reader.source.name(object), |object| sink.read(object));
            let Some(token) = page.next.filter(|token| !token.is_empty()) else { break };
            page = following.during(reader.page(Some(token)), reader, sink, &mut list).await?;
        }
        sink.listed(list.finish());
        reader.sync.synced();
        Ok(following.position())
    }

    /// Follows a watch until it ends.
    async fn follow(&mut self, position: &mut Position<K>) -> WatchEnd {
        loop {
            match self.reader.next_event(position).await {
                Ok((observation, _)) => {
                    if let Some(end) = take(&mut self.sink, observation) {
                        return end;
                    }
                }
                Err(end) => return end,
            }
        }
    }
}

/// A watch that is followed while pages are read.
struct Following<K> {
    position: Position<K>,
    /// Whether it has not ended.
    is_open: bool,
}

impl<K: Clone + Send + 'static> Following<K> {
    const fn from_version(version: String) -> Self {
        Self { position: Position { version, events: None }, is_open: true }
    }

    /// Waits for the answer to `request`. What changes until then reaches the sink and the list.
    async fn during<T, S: WatchSource<K>, W: WatchSink<K>>(
        &mut self,
        request: impl Future<Output = T>,
        reader: &WatchReader<S>,
        sink: &mut W,
        list: &mut UnfinishedList<W::Listed>,
    ) -> T {
        let mut request = std::pin::pin!(request);
        while self.is_open {
            tokio::select! {
                biased;
                answer = &mut request => return answer,
                event = reader.next_event(&mut self.position) => match event {
                    Ok((observation, _)) => {
                        let name = |object: &Decoded<K>| reader.source.name(object);
                        list.change(&observation, name, |object| sink.read(object));
                        self.is_open = take(sink, observation).is_none();
                    }
                    // The list goes on. The watch is started again after it.
                    Err(_) => self.is_open = false,
                },
            }
        }
        request.await
    }

    fn position(self) -> Position<K> {
        let events = self.position.events.filter(|_| self.is_open);
        Position { events, ..self.position }
    }
}

/// Gives an observation to the sink. Returns why the watch ended, if it says so.
fn take<K>(sink: &mut impl WatchSink<K>, observation: Observation<K>) -> Option<WatchEnd> {
    match observation {
        Observation::Applied(object) => sink.applied(object),
        Observation::Deleted(object) => sink.deleted(object),
        Observation::Bookmark => {}
        Observation::Failed(status) if status.code == 410 => return Some(WatchEnd::Expired),
        Observation::Failed(status) => {
            return Some(WatchEnd::Failed(Box::new(kube::Error::Api(status))));
        }
    }
    None
}

#[cfg(test)]
mod tests;
