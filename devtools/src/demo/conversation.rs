//! Runs the job of examples/conversation.yaml, in which Alice asks and Bob answers, and verifies
//! the proof in its log.

use std::{fs, path::Path};

use anyhow::{Context as _, ensure};

use super::{installation::DEMO_NAMESPACE, user_tools::UserTools};
use crate::{
    command::{isolated, output_of},
    programs,
};

/// How the proof's line begins: its canonical form has the attestation first.
const PROOF_START: &str = "{\"attestation\"";

/// Runs the conversation and returns the log of Alice's job.
pub(super) fn hold(tools: &UserTools) -> anyhow::Result<String> {
    // A job's pod template cannot be changed, so a former one must go.
    tools.kubectl(&format!("delete job/alice-asks --namespace {DEMO_NAMESPACE} --ignore-not-found"))?;
    tools.kubectl("apply -f examples/conversation.yaml")?;
    tools.kubectl(&format!(
        "wait --for=condition=complete --timeout=60s --namespace {DEMO_NAMESPACE} job/alice-asks"
    ))?;
    tools.kubectl(&format!("logs --namespace {DEMO_NAMESPACE} job/alice-asks"))
}

/// Prints what was said, writes the proof and has it verified by `m2a`, which needs no network for
/// that.
pub(super) fn prove(log: &str, file: &Path) -> anyhow::Result<()> {
    let (conversation, proof) = split(log).context("find the proof in the job's log")?;
    println!("{conversation}");
    fs::write(file, proof).with_context(|| format!("write {}", file.display()))?;
    println!("  $ m2a verify {}", file.display());
    let verdict = output_of(isolated(programs::path("m2a")?).arg("verify").arg(file))?;
    println!("{verdict}");
    ensure!(verdict.contains("verified"), "m2a said nothing of a verified proof");
    Ok(())
}

/// The conversation's lines and the proof's line.
fn split(log: &str) -> Option<(String, &str)> {
    let proof = log.lines().find(|line| line.starts_with(PROOF_START))?;
    let conversation: Vec<_> = log.lines().filter(|line| !line.starts_with(PROOF_START)).collect();
    Some((conversation.join("\n"), proof))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_is_taken_out_of_the_conversation() {
        let log = "alice: done?\n{\"attestation\":{}}\nbob: yes\n";
        assert_eq!(split(log), Some(("alice: done?\nbob: yes".to_owned(), "{\"attestation\":{}}")));
    }

    #[test]
    fn a_log_without_a_proof_is_not_taken_for_one() {
        assert_eq!(split("alice: done?\nattestation: none\n"), None);
    }
}
