//! The operator's process.

use clap::Parser as _;
use msg2agent_operator::settings::{Command, Options};
use msg2agent_operator::{rbac, startup};

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    match options.command {
        Some(Command::Rbac) => print_rbac(),
        None => run(options),
    }
}

fn run(options: Options) -> anyhow::Result<()> {
    // Fails only when a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(startup::run(options.settings.normalized()))
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
