//! Seals messages for their recipients and sends them through the relay.

use std::sync::Arc;

use protocol::Did;
use protocol::envelope::{Class, Content, Draft, MessageId, MessageType, seal};
use protocol::frame::{SendResult, method};
use protocol::record::VerifiedRecord;

use crate::agent_state::AgentState;
use crate::contacts::Freshness;
use crate::error::{Error, ErrorKind};
use crate::evidence::Evidence;
use crate::rpc::RpcClient;
use crate::sent::Sent;

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
        }
    }
}

/// What sending needs: the relay and the agent's state. Keeps the agent alive. Clones share
/// everything.
#[derive(Clone)]
pub(crate) struct Sender {
    rpc: RpcClient,
    state: Arc<AgentState>,
}

impl Sender {
    pub(crate) fn new(rpc: RpcClient, state: Arc<AgentState>) -> Self {
        Self { rpc, state }
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
        let recipient = self.state.contacts.resolve(&self.rpc, to, Freshness::ToSend).await?;
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
        let attempt = format!("cannot send to {to}");
        let answer = self.rpc.call(method::SEND, &sealed.envelope, &attempt).await;
        let SendResult { status } =
            answer.inspect_err(|error: &Error| self.state.on_refusal(to, error.refusal()))?;
        let evidence = Evidence::new(sealed.envelope, sealed.prk, recipient.document.clone());
        Ok(Sent { id, to: to.clone(), status, evidence })
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
