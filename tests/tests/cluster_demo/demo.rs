//! Runs the demo once, as `make demo` does after the build, and checks the proof that it leaves.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use devtools::cluster::options::ClusterOptions;
use devtools::cluster::requirements::ClusterRequest;
use devtools::command::{isolated, output_of};
use devtools::programs;
use msg2agent_tests::poisoned_environment::PoisonedEnvironment;
use msg2agent_tests::test_cluster;

use crate::killed_cluster;

/// Name of the folder of the cluster.
pub(crate) const CLUSTER: &str = "demo-cluster";

/// The promise holds on an idle machine. Here other clusters run at the same time.
const PROMISE_TIMEOUT_SECONDS: &str = "240";

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_leaves_a_verified_proof_and_a_cluster_that_starts_again_after_a_crash() {
    test_cluster::down(CLUSTER).unwrap();
    let outcome = async {
        run_demo()?;
        killed_cluster::is_replaced().await
    }
    .await;
    let ended = test_cluster::down(CLUSTER);
    outcome.and(ended).unwrap();
}

fn run_demo() -> anyhow::Result<()> {
    let (environment, folder) = (PoisonedEnvironment::new()?, tempfile::tempdir()?);
    let proof = folder.path().join("proof.json");
    let mut demo = Command::new(programs::path("demo")?);
    demo.arg("--folder").arg(test_cluster::folder(CLUSTER)?.root()).arg("--proof").arg(&proof);
    demo.args(["--without-claude-code", "--promise-seconds", PROMISE_TIMEOUT_SECONDS]);
    demo.args(cluster_arguments()?).envs(environment.variables());
    let output = demo.stdin(Stdio::null()).output().context("start the demo")?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the demo failed ({}): {said}\n{printed}", output.status);
    for line in
        ["$ helm upgrade --install msg2agent charts/msg2agent", "from helm install to the verified proof:"]
    {
        ensure!(printed.contains(line), "the demo did not print {line:?}:\n{printed}");
    }
    ensure!(!printed.contains("failed"), "{printed}");
    environment.ensure_unused()?;
    let printed_command = printed.lines().rev().find_map(|line| line.trim().strip_prefix("m2a verify "));
    verify(&proof, printed_command.context("the demo did not print how to verify its proof")?)
}

/// Anybody can do this with the file and the root keys, as the demo prints it.
fn verify(proof: &Path, arguments: &str) -> anyhow::Result<()> {
    let m2a = |arguments: &str| -> anyhow::Result<Command> {
        let mut command = isolated(programs::path("m2a")?);
        command.arg("verify").args(arguments.split_whitespace());
        Ok(command)
    };
    let verdict = output_of(&mut m2a(arguments)?)?;
    ensure!(verdict.starts_with("verified"), "{verdict}");
    let alone = m2a(&proof.display().to_string())?.output()?;
    ensure!(alone.status.code() == Some(6), "the file alone proves nothing: {alone:?}");
    let text = std::fs::read_to_string(proof)?;
    let forged = proof.with_file_name("forged.json");
    std::fs::write(&forged, text.replacen("alice", "carol", 1)).context("write a forged proof")?;
    let roots = arguments.strip_suffix(&proof.display().to_string()).context("the file comes last")?;
    let refused = m2a(&format!("{roots}{}", forged.display()))?.output()?;
    ensure!(!refused.status.success(), "a forged proof was verified: {refused:?}");
    Ok(())
}

fn cluster_arguments() -> anyhow::Result<Vec<String>> {
    Ok(match ClusterOptions::request_of_tests()? {
        ClusterRequest::BuiltIn { .. } => Vec::new(),
        ClusterRequest::Kind => vec!["--kind".to_owned()],
        ClusterRequest::Existing { kubeconfig, context } => {
            let kubeconfig = kubeconfig.display().to_string();
            ["--context", &context, "--kubeconfig", &kubeconfig].map(String::from).into()
        }
    })
}
