//! The report that `m2a dev` prints once everything runs.

use std::path::PathBuf;

use serde::Serialize;

use crate::output::{Output, Tone};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DevReport {
    pub(super) relay_url: String,
    pub(super) admin_url: String,
    pub(super) admin_token_file: PathBuf,
    /// The value for `MSG2AGENT_HOME`.
    pub(super) profiles: PathBuf,
    pub(super) alice: String,
    pub(super) bob: String,
    pub(super) question: &'static str,
    pub(super) answer: String,
    pub(super) proof: PathBuf,
    pub(super) ready_ms: u64,
}

pub(super) fn text(report: &DevReport, output: &Output) -> String {
    let DevReport {
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
    } = report;
    let (home, token) = (profiles.display(), admin_token_file.display());
    let done = output.paint(Tone::Good, format_args!("ready in {ready_ms} ms"));
    let strong = |text: &str| output.paint(Tone::Strong, text);
    format!(
        "{done}: a relay, two agents, and a proof of their first exchange

  relay  {relay_url}
  alice  {alice}
  bob    {bob}   (answers requests while this runs)

  alice asked  {question}
  bob answered {answer}
  proof        {proof}

Try these in another terminal:
  export MSG2AGENT_HOME={home}
  {verify}
  {ask}
  {listen}
  m2a relay --admin-url {admin_url} --admin-token-file {token} agents list demo

Press Ctrl-C to stop.",
        proof = proof.display(),
        verify = strong(&format!("m2a verify --profile alice --pins {}", proof.display())),
        ask = strong("m2a ask --profile alice --to bob --text 'How are you?'"),
        listen = strong("m2a listen --profile alice"),
    )
}
