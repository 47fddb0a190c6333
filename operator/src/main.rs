//! The operator's binary.

use clap::Parser as _;
use msg2agent_operator::commands::{check, release_finalizers, run};
use msg2agent_operator::rbac;
use msg2agent_operator::settings::{Command, Options};

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    match options.command {
        Some(Command::Rbac) => print_rbac(),
        Some(Command::Check) => block_on(async { check::run(&options.settings.normalized()).await }),
        Some(Command::ReleaseFinalizers) => {
            block_on(async { release_finalizers::run(&options.settings.normalized()).await })
        }
        None => block_on(run::run(options.settings.normalized())),
    }
}

fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    // Fails only if a provider is installed already, which is just as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

fn print_rbac() -> anyhow::Result<()> {
    let (cluster, namespace) = rbac::roles();
    println!(
        "{}\n---\n{}",
        serde_json::to_string_pretty(&cluster)?,
        serde_json::to_string_pretty(&namespace)?
    );
    Ok(())
}
