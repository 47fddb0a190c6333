//! Prints the custom resource definitions, or writes them as templates of the chart
//! `msg2agent-crds` and as a page of the documentation.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Parser;

/// Prints the custom resource definitions as YAML for `kubectl apply -f -`.
#[derive(Parser)]
struct Options {
    /// Write the templates of the chart and the page instead of printing.
    #[arg(long)]
    write: bool,
    /// The folder of the templates.
    #[arg(long, default_value = "charts/msg2agent-crds/templates")]
    folder: PathBuf,
    /// The file of the page that describes the kinds.
    #[arg(long, default_value = "docs/kinds.md")]
    page: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if options.write { write(&options.folder, &options.page) } else { print() }
}

fn print() -> anyhow::Result<()> {
    for crd in msg2agent_crds::definitions() {
        print!("---\n{}", serde_yaml_ng::to_string(&crd)?);
    }
    Ok(())
}

fn write(folder: &Path, page: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    for (name, text) in msg2agent_crds::generate::templates()? {
        let file = folder.join(name);
        std::fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
    }
    let text = msg2agent_crds::kinds_page::text()?;
    std::fs::write(page, text).with_context(|| format!("write {}", page.display()))?;
    Ok(())
}
