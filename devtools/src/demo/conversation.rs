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

/// The agents that speak in the proof, as `DID=root key` for `m2a verify --root`. The root keys
/// come from the status of their Agents, and not from the proof.
pub(super) fn roots(tools: &UserTools) -> anyhow::Result<Vec<String>> {
    let root = |name| {
        let status = "jsonpath={.status.did}={.status.rootKeyMultibase}";
        tools.kubectl(&format!("get agent/{name} --namespace {DEMO_NAMESPACE} -o {status}"))
    };
    ["alice", "bob"].into_iter().map(root).collect()
}

/// Prints what was said, writes the proof and has it verified by `m2a` against the root keys, which
/// needs no network.
pub(super) fn prove(log: &str, roots: &[String], file: &Path) -> anyhow::Result<()> {
    let (conversation, proof) =
        split(log).with_context(|| format!("find the proof in the job's log:\n{log}"))?;
    println!("{conversation}");
    fs::write(file, proof).with_context(|| format!("write {}", file.display()))?;
    println!("  $ {}", verification(roots, file));
    let mut verify = isolated(programs::path("m2a")?);
    verify.arg("verify").args(roots.iter().flat_map(|root| ["--root", root])).arg(file);
    let verdict = output_of(&mut verify)?;
    println!("{verdict}");
    ensure!(verdict.starts_with("verified"), "m2a said nothing of a verified proof");
    Ok(())
}

/// The command that verifies the proof anywhere.
pub(super) fn verification(roots: &[String], file: &Path) -> String {
    let roots: String = roots.iter().map(|root| format!("--root {root} ")).collect();
    format!("m2a verify {roots}{}", file.display())
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

    /// With `Never` each attempt is a pod of its own, and `kubectl logs` of the job takes one of
    /// them.
    #[test]
    fn an_attempt_that_failed_leaves_no_second_pod_whose_log_could_be_taken() {
        let example = include_str!("../../../examples/conversation.yaml");
        assert!(example.contains("restartPolicy: OnFailure") && !example.contains("restartPolicy: Never"));
    }

    #[test]
    fn a_log_without_a_proof_is_not_taken_for_one() {
        assert_eq!(split("alice: done?\nattestation: none\n"), None);
    }
}
