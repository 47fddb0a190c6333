//! The state that an agent's handles share with its connection task.

use std::sync::{Arc, PoisonError, RwLock};

use protocol::document::DidDocument;
use protocol::envelope::MessageId;
use protocol::frame::{AckParams, NoticeParams};
use protocol::refusal::RefusalReason;
use protocol::{Did, Identity, UnixSeconds};
use tokio::sync::watch;

use crate::config::Config;
use crate::connection_state::ConnectionState;
use crate::contacts::Contacts;
use crate::delivery::acknowledgements::{Acknowledgements, PendingSync};
use crate::delivery::queue::InboxQueue;
use crate::delivery::received::Received;
use crate::error::{Error, ErrorKind};
use crate::line_file::{PendingRewrite, UnsyncedLines};
use crate::notice::NoticeLog;
use crate::pending_requests::PendingRequests;
use crate::refusal::RefusalLog;
use crate::state_dir::StateDir;
use crate::state_machine::DedupTable;

pub(crate) struct AgentState {
    pub(crate) config: Config,
    pub(crate) acknowledgements: Acknowledgements,
    pub(crate) contacts: Contacts,
    pub(crate) queue: InboxQueue,
    pub(crate) pending_requests: PendingRequests,
    pub(crate) notices: Arc<NoticeLog>,
    pub(crate) refusals: RefusalLog,
    pub(crate) connection: watch::Sender<ConnectionState>,
    /// The bytes of the record that the agent has signed last, registered or not.
    #[cfg(feature = "direct")]
    pub(crate) record: watch::Sender<Option<Arc<[u8]>>>,
    registered: RwLock<Registered>,
    #[cfg(feature = "direct")]
    sent_news: std::sync::OnceLock<TellPaths>,
}

/// Tells who chooses the ways of messages what became of one that was sent.
#[cfg(feature = "direct")]
pub(crate) type TellPaths = Box<dyn Fn(&Did, MessageId, SentNews) + Send + Sync>;

/// What is learnt of a sent message besides the answer to its send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SentNews {
    /// The recipient has answered it with a message.
    Answered,
    /// The relay says that it has ended: acknowledged, refused, expired or dropped.
    EndedAtRelay,
}

/// The keys registered at the relay, and the DID document that lists them.
#[derive(Clone)]
struct Registered {
    identity: Arc<Identity>,
    document: Option<Arc<DidDocument>>,
}

impl AgentState {
    /// # Errors
    /// The keys cannot be loaded, or the state folder cannot be read.
    pub(crate) fn open(
        config: Config,
        connection: watch::Sender<ConnectionState>,
        state_dir: Option<&StateDir>,
    ) -> Result<Self, Error> {
        let identity = config.load_identity()?;
        Ok(Self {
            acknowledgements: Acknowledgements::open(
                state_dir.map(StateDir::dedup_file),
                config.clock.clone(),
                DedupTable::with_entries_max(config.memory_limits.dedup_entries),
            )?,
            contacts: Contacts::open(state_dir.map(StateDir::pins), &config)?,
            queue: InboxQueue::default(),
            pending_requests: PendingRequests::default(),
            notices: NoticeLog::open(state_dir.map(StateDir::notices))?,
            refusals: RefusalLog::new(),
            connection,
            #[cfg(feature = "direct")]
            record: watch::channel(None).0,
            registered: RwLock::new(Registered { identity, document: None }),
            #[cfg(feature = "direct")]
            sent_news: std::sync::OnceLock::new(),
            config,
        })
    }

    /// Waits until the agent has signed its record, which needs its keys and no relay.
    #[cfg(feature = "direct")]
    pub(crate) async fn signed(&self) -> Result<(), Error> {
        let (mut record, mut connection) = (self.record.subscribe(), self.connection.subscribe());
        tokio::select! {
            _ = record.wait_for(Option::is_some) => Ok(()),
            _ = connection.wait_for(|now| matches!(now, ConnectionState::Ended(_))) => Err(self.ending()),
        }
    }

    /// Lets `tell` hear of sent messages from now on.
    #[cfg(feature = "direct")]
    pub(crate) fn on_sent_news(&self, tell: TellPaths) {
        // Only the first one counts; there is one.
        let _ = self.sent_news.set(tell);
    }

    #[cfg(feature = "direct")]
    pub(crate) fn tell_paths(&self, recipient: &Did, id: MessageId, news: SentNews) {
        if let Some(tell) = self.sent_news.get() {
            tell(recipient, id, news);
        }
    }

    /// Without direct connections there is one way, and nobody to tell.
    #[cfg(not(feature = "direct"))]
    #[expect(clippy::unused_self, reason = "the same call with and without the feature")]
    pub(crate) const fn tell_paths(&self, _: &Did, _: MessageId, _: SentNews) {}

    /// The time of the agent's clock.
    pub(crate) fn now(&self) -> UnixSeconds {
        self.config.clock.now()
    }

    /// The keys of the last registration; before the first one, those of the key file.
    pub(crate) fn identity(&self) -> Arc<Identity> {
        Arc::clone(&self.registered.read().unwrap_or_else(PoisonError::into_inner).identity)
    }

    pub(crate) fn document(&self) -> Option<Arc<DidDocument>> {
        self.registered.read().unwrap_or_else(PoisonError::into_inner).document.clone()
    }

    /// Uses these keys from now on, because the relay has accepted their record.
    pub(crate) fn set_registered(&self, identity: Arc<Identity>, document: Arc<DidDocument>) {
        let registered = Registered { identity, document: Some(document) };
        *self.registered.write().unwrap_or_else(PoisonError::into_inner) = registered;
    }

    /// Shows a message again that the application dropped without acknowledging it.
    pub(crate) fn release(&self, received: &Received) {
        if received.is_reliable()
            && let Some((received, delay)) = self.acknowledgements.release(&received.key())
        {
            self.queue.push_later(received, delay);
        }
    }

    /// Ends the request that will not be answered, and forgets the keys of a recipient that cannot
    /// open what is sealed to them.
    pub(crate) fn on_notice(&self, notice: &NoticeParams) {
        self.on_refusal(&notice.to, notice.reason);
        self.tell_paths(&notice.to, notice.id, SentNews::EndedAtRelay);
        self.pending_requests.on_notice(notice);
    }

    /// Notes that a recipient refused a message.
    pub(crate) fn on_refusal(&self, recipient: &Did, reason: Option<RefusalReason>) {
        if reason == Some(RefusalReason::Undecryptable) {
            self.contacts.on_undecryptable(recipient);
        }
    }

    /// What the disk must do next: write a file again, or sync what the next acknowledgement is
    /// about.
    pub(crate) fn next_disk_job(&self) -> std::io::Result<Option<DiskJob>> {
        if let Some(rewrite) = self.acknowledgements.begin_rewrite() {
            return Ok(Some(DiskJob::RewriteProcessed(rewrite)));
        }
        if let Some(rewrite) = self.notices.begin_rewrite() {
            return Ok(Some(DiskJob::RewriteNotices(rewrite)));
        }
        if !self.notices.can_sync() {
            return Ok(None);
        }
        let Some(PendingSync { ack, file }) = self.acknowledgements.begin_sync()? else { return Ok(None) };
        let files = [file, self.notices.unsynced()?].into_iter().flatten().collect();
        Ok(Some(DiskJob::Sync { ack, files }))
    }

    pub(crate) fn on_sync_failed(&self) {
        self.acknowledgements.on_sync_failed();
        self.notices.on_sync_failed();
    }

    /// Why the agent has ended.
    pub(crate) fn ending(&self) -> Error {
        match &*self.connection.borrow() {
            ConnectionState::Ended(error) => error.clone(),
            _ => Error::new(ErrorKind::Closed, "the agent is closed"),
        }
    }

    /// Closes the files of the state folder, so that another process may use them.
    pub(crate) fn close_files(&self, error: &Error) {
        self.acknowledgements.end(error);
        self.notices.end();
    }

    /// Ends every wait of the application with this error.
    pub(crate) fn end(&self, error: Error) {
        self.queue.end();
        self.pending_requests.end();
        self.connection.send_replace(ConnectionState::Ended(error));
    }
}

/// Work of the disk that an acknowledgement waits for.
pub(crate) enum DiskJob {
    /// Sync these files before the acknowledgement is sent.
    Sync { ack: AckParams, files: Vec<UnsyncedLines> },
    /// Write the list of processed messages again.
    RewriteProcessed(PendingRewrite),
    /// Write the list of notices again.
    RewriteNotices(PendingRewrite),
}

impl DiskJob {
    /// Does the work, and returns the acknowledgement that is due after it. It blocks for as long
    /// as the disk needs.
    pub(crate) fn run(self, state: &AgentState) -> std::io::Result<Option<AckParams>> {
        match self {
            Self::Sync { ack, files } => {
                files.iter().try_for_each(UnsyncedLines::sync)?;
                Ok(Some(ack))
            }
            Self::RewriteProcessed(rewrite) => state.acknowledgements.rewrite(rewrite).map(|()| None),
            Self::RewriteNotices(rewrite) => state.notices.rewrite(rewrite).map(|()| None),
        }
    }
}
