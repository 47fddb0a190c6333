//! Keeps one store equal to the cluster: lists a kind, follows its watch, and lists again when the
//! API server no longer has the version.
//!
//! kube's watcher is not used because it hides bookmarks. They are the sign of life of a kind where
//! nothing changes, and the list tells what was deleted in a gap. The watch begins with the second
//! page of a list: a key that is revoked while ten thousand objects are listed does not wait for
//! them.

use daemon::error_chain;
use tokio::time::Instant;

use super::retry_pace::RetryPace;
use super::unfinished_list::UnfinishedList;
use super::watch_reader::{Position, WatchEnd, WatchError, WatchReader};
use super::watch_source::{Decoded, ListPage, Observation, WatchSource};
use crate::jitter::Jitter;
use crate::metrics::Metrics;

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
        let mut list = UnfinishedList::default();
        let mut page = self.reader.page(None).await?;
        let version = std::mem::take(&mut page.resource_version);
        let (mut position, mut is_followed) = (Position { version, events: None }, true);
        loop {
            let (source, sink) = (&self.reader.source, &self.sink);
            list.add_page(page.objects, |object| source.name(object), |object| sink.read(object));
            let Some(token) = page.next.filter(|token| !token.is_empty()) else { break };
            page = self.next_page(token, (&mut position, &mut is_followed), &mut list).await?;
        }
        self.sink.listed(list.finish());
        self.reader.sync.synced();
        Ok(if is_followed { position } else { Position { events: None, ..position } })
    }

    /// Reads a page, and what changes until it is there.
    async fn next_page(
        &mut self,
        token: String,
        (position, is_followed): (&mut Position<K>, &mut bool),
        list: &mut UnfinishedList<W::Listed>,
    ) -> Result<ListPage<K>, WatchError> {
        let Self { reader, sink, .. } = self;
        let mut page = std::pin::pin!(reader.page(Some(token)));
        loop {
            tokio::select! {
                biased;
                read = &mut page => return read,
                event = reader.next_event(position), if *is_followed => match event {
                    Ok((observation, _)) => {
                        let name = |object: &Decoded<K>| reader.source.name(object);
                        list.change(&observation, name, |object| sink.read(object));
                        *is_followed = take(sink, observation).is_none();
                    }
                    // The list goes on. The watch is started again after it.
                    Err(_) => *is_followed = false,
                },
            }
        }
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
