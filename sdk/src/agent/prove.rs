//! Proofs: disclosing chosen messages, and nothing else, to anybody who wants to verify them offline.

use protocol::proof::write;

use crate::{Agent, Error, ErrorKind, Evidence, clock};

impl Agent {
    /// A proof file (canonical JSON) of messages this agent sent or received. Whoever has the file reads these messages.
    /// It is verified by `m2a verify` or [`protocol::proof::verify`].
    ///
    /// # Errors
    /// [`ErrorKind::Proof`] for no message, more than 256, or an agent that has never registered.
    pub fn prove<'a>(&self, messages: impl IntoIterator<Item = &'a Evidence>) -> Result<Vec<u8>, Error> {
        let failed = || Error::new(ErrorKind::Proof, "cannot write a proof");
        let own = self.shared().document().ok_or_else(failed)?;
        let mut documents = vec![own.as_ref().clone()];
        let mut disclosed = Vec::new();
        for evidence in messages {
            disclosed.push(evidence.disclose());
            // The newest document of each agent names the keys of all its messages; later evidence has the newer one.
            documents.retain(|known| known.id != evidence.peer().id);
            documents.push(evidence.peer().clone());
        }
        write(disclosed, documents, &self.shared().identity(), clock::now())
            .map_err(|e| failed().caused_by(e))
    }
}
