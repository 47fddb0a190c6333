//! What `m2a dev` says once everything runs.

use std::path::PathBuf;

use serde::Serialize;

use crate::output::{Output, Tone};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Printed {
    pub(super) relay_url: String,
    pub(super) admin_url: String,
    pub(super) admin_token_file: PathBuf,
    /// For `MSG2AGENT_HOME`.
    pub(super) profiles: PathBuf,
    pub(super) alice: String,
    pub(super) bob: String,
    pub(super) question: &'static str,
    pub(super) answer: String,
    pub(super) proof: PathBuf,
    pub(super) ready_ms: u64,
}

pub(super) fn text(printed: &Printed, output: &Output) -> String {
    let Printed {
        relay_url,
        admin_url,
        admin_token_file,
        profiles,
        alice,
        bob,
        question,
        answer,
        proof,
        ready_ms,
    } = printed;
    let (home, token) = (profiles.display(), admin_token_file.display());
    let done = output.paint(Tone::Good, format_args!("ready in {ready_ms} ms"));
    let strong = |text: &str| output.paint(Tone::Strong, text);
    format!(
        "{done}: a relay, two agents, one end-to-end encrypted message, its proof

  relay  {relay_url}
  alice  {alice}
  bob    {bob}   (answers requests as long as this runs)

  alice asked  {question}
  bob answered {answer}
  proof        {proof}

Go on in another terminal:
  export MSG2AGENT_HOME={home}
  {verify}
  {ask}
  {listen}
  m2a relay --admin-url {admin_url} --admin-token-file {token} agents list demo

Ctrl-C ends it.",
        proof = proof.display(),
        verify = strong(&format!("m2a verify {}", proof.display())),
        ask = strong("m2a ask --profile alice --to bob --text 'How are you?'"),
        listen = strong("m2a listen --profile alice"),
    )
}
