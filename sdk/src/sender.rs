//! Seals messages for their recipients and sends them through the relay.

use std::sync::Arc;

use protocol::envelope::{Class, Content, Draft, MessageId, MessageType, seal};
use protocol::frame::{SendResult, SendStatus, method};
use protocol::record::VerifiedRecord;
use protocol::{Did, Envelope};

use crate::agent_state::AgentState;
use crate::contacts::Freshness;
#[cfg(feature = "direct")]
use crate::direct::{DirectPaths, DirectSend};
use crate::error::{Error, ErrorKind};
use crate::evidence::Evidence;
use crate::rpc::RpcClient;
use crate::sent::{Path, PathChoice, Sent};

/// Properties of a message besides its content. The default is a reliable event with a new id.
#[derive(Debug, Clone)]
pub struct SendOptions {
    /// The message's id. `None` generates one.
    ///
    /// To repeat a send whose outcome is unknown, give the id of the first attempt
    /// ([`Error::message_id`]). The relay then accepts one of them; [`duplicate_id`] means that it
    /// had accepted the first.
    ///
    /// [`duplicate_id`]: protocol::Reason::DuplicateId
    pub id: Option<MessageId>,
    pub r#type: MessageType,
    /// A label that groups messages of one conversation, at most 64 bytes.
    pub thread: Option<String>,
    /// The message this one answers.
    pub re: Option<MessageId>,
    /// Seconds for which the relay stores it; at most, and by default, 7 days.
    pub ttl: Option<u64>,
    /// Whether the relay stores it for a recipient that is offline.
    pub class: Class,
    /// Which ways it may take.
    pub path: PathChoice,
}

impl Default for SendOptions {
    fn default() -> Self {
        Self {
            id: None,
            r#type: MessageType::Event,
            thread: None,
            re: None,
            ttl: None,
            class: Class::Reliable,
            path: PathChoice::Any,
        }
    }
}

/// What sending needs: the relay and the agent's state. Keeps the agent alive. Clones share
/// everything.
#[derive(Clone)]
pub(crate) struct Sender {
    rpc: RpcClient,
    state: Arc<AgentState>,
    /// `None` if direct connections are switched off.
    #[cfg(feature = "direct")]
    direct: Option<Arc<DirectPaths>>,
}

impl Sender {
    #[cfg(not(feature = "direct"))]
    pub(crate) fn new(rpc: RpcClient, state: Arc<AgentState>) -> Self {
        Self { rpc, state }
    }

    #[cfg(feature = "direct")]
    pub(crate) fn new(rpc: RpcClient, state: Arc<AgentState>, direct: Option<Arc<DirectPaths>>) -> Self {
        Self { rpc, state, direct }
    }

    #[cfg(feature = "direct")]
    pub(crate) fn direct(&self) -> Option<&DirectPaths> {
        self.direct.as_deref()
    }

    pub(crate) fn rpc(&self) -> &RpcClient {
        &self.rpc
    }

    pub(crate) fn state(&self) -> &AgentState {
        &self.state
    }

    /// Sends one message. An error carries the message's id.
    pub(crate) async fn send(&self, to: &Did, content: Content, options: SendOptions) -> Result<Sent, Error> {
        let id = options.id.unwrap_or_else(|| self.new_message_id());
        self.send_with_id(to, content, id, options).await.map_err(|e| e.about(id))
    }

    async fn send_with_id(
        &self,
        to: &Did,
        content: Content,
        id: MessageId,
        options: SendOptions,
    ) -> Result<Sent, Error> {
        let (choice, attempt) = (options.path, format!("cannot send to {to}"));
        let recipient = self.recipient(to).await?;
        let draft = Draft {
            to: to.clone(),
            id,
            class: options.class,
            r#type: options.r#type,
            thread: options.thread,
            re: options.re,
            ttl: options.ttl,
            content,
        };
        let sealed = self.seal(draft, &recipient)?;
        let answer = self.deliver(&sealed.envelope, &recipient, choice, &attempt).await;
        let (status, path) =
            answer.inspect_err(|error: &Error| self.state.on_refusal(to, error.refusal()))?;
        let evidence = Evidence::new(sealed.envelope, sealed.prk, recipient.document.clone());
        Ok(Sent { id, to: to.clone(), status, path, evidence })
    }

    /// The recipient's record: of a connection to it, or else of the relay.
    async fn recipient(&self, to: &Did) -> Result<Arc<VerifiedRecord>, Error> {
        #[cfg(feature = "direct")]
        if let Some(direct) = &self.direct
            && let Some(record) = direct.record_of(to).await
        {
            return Ok(record);
        }
        self.state.contacts.resolve(&self.rpc, to, Freshness::ToSend).await
    }

    #[cfg(feature = "direct")]
    async fn deliver(
        &self,
        envelope: &Envelope,
        recipient: &VerifiedRecord,
        choice: PathChoice,
        attempt: &str,
    ) -> Result<(SendStatus, Path), Error> {
        if let Some(direct) = self.direct.as_ref().filter(|_| choice != PathChoice::RelayOnly) {
            let failed = |e: serde_json::Error| Error::new(ErrorKind::Protocol, attempt).caused_by(e);
            let params = serde_json::to_string(envelope).map_err(failed)?;
            let (id, to) = (envelope.id, &envelope.to);
            let send = DirectSend { id, to, params, recipient, choice, attempt };
            if let Some(answer) = direct.send(&self.rpc, send).await {
                return answer;
            }
        }
        self.deliver_by_relay(envelope, choice, attempt).await
    }

    #[cfg(not(feature = "direct"))]
    async fn deliver(
        &self,
        envelope: &Envelope,
        _: &VerifiedRecord,
        choice: PathChoice,
        attempt: &str,
    ) -> Result<(SendStatus, Path), Error> {
        self.deliver_by_relay(envelope, choice, attempt).await
    }

    async fn deliver_by_relay(
        &self,
        envelope: &Envelope,
        choice: PathChoice,
        attempt: &str,
    ) -> Result<(SendStatus, Path), Error> {
        if choice == PathChoice::DirectOnly {
            return Err(Error::new(ErrorKind::Config, attempt)
                .caused_by("direct connections are switched off")
                .advising("set MSG2AGENT_DIRECT to `dial`, or to an address to listen at"));
        }
        let SendResult { status } = self.rpc.call(method::SEND, envelope, attempt).await?;
        Ok((status, Path::Relay))
    }

    fn seal(&self, draft: Draft, recipient: &VerifiedRecord) -> Result<seal::Sealed, Error> {
        let to = draft.to.clone();
        let keyless =
            || Error::new(ErrorKind::Unverified, format!("the record of {to} lists no encryption key"));
        let key = recipient.keys.current_encryption().ok_or_else(keyless)?;
        seal(draft, &self.state.identity(), key, self.state.now(), &mut rand::rng()).map_err(|e| {
            Error::new(ErrorKind::Message, format!("cannot seal a message to {to}")).caused_by(e)
        })
    }

    pub(crate) fn new_message_id(&self) -> MessageId {
        MessageId::new(self.state.now(), rand::random())
    }
}
