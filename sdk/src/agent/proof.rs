//! Proves messages: discloses the chosen ones, and no other, to anybody who verifies them offline.

use protocol::proof::write;

use super::handle::Agent;
use crate::error::{Error, ErrorKind};
use crate::evidence::Evidence;

impl Agent {
    /// Writes a proof file (canonical JSON) of messages that this agent sent or received. Whoever
    /// has the file can read these messages. `m2a verify` and
    /// [`proof::verify`](crate::proof::verify) verify it.
    ///
    /// # Errors
    /// [`ErrorKind::Proof`] for no message, for more than 256, or before the first registration.
    ///
    /// # Examples
    /// ```no_run
    /// # async fn example(agent: msg2agent::Agent, bob: msg2agent::Did) -> Result<(), Box<dyn std::error::Error>> {
    /// let sent = agent.send(&bob, msg2agent::Content::text("I owe you 5 euros")).await?;
    /// let proof = agent.prove([sent.evidence()])?;
    /// let (own, root) = (agent.did(), agent.whoami().root_key);
    /// let root_key_of = |did: &msg2agent::Did| {
    ///     (did == own).then(|| msg2agent::multikey::decode_ed25519(&root).ok()).flatten()
    /// };
    /// let statements = msg2agent::proof::verify(&proof, &root_key_of)?;
    /// assert_eq!(statements[0].content.as_text(), Some("I owe you 5 euros"));
    /// # Ok(()) }
    /// ```
    pub fn prove<'a>(&self, messages: impl IntoIterator<Item = &'a Evidence>) -> Result<Vec<u8>, Error> {
        let failed = || Error::new(ErrorKind::Proof, "cannot write a proof");
        let own = self.state().document().ok_or_else(failed)?;
        let mut documents = vec![own.as_ref().clone()];
        let mut disclosed = Vec::new();
        for evidence in messages {
            disclosed.push(evidence.disclose());
            // The newest document of an agent lists the keys of all its messages. Later evidence
            // has it.
            documents.retain(|known| known.id != evidence.peer().id);
            documents.push(evidence.peer().clone());
        }
        write(disclosed, documents, &self.state().identity(), self.state().now())
            .map_err(|e| failed().caused_by(e))
    }
}
