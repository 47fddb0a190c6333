//! Runs kubectl and helm as a user does. Each command is printed before it runs, without its
//! folder.

use std::path::{Path, PathBuf};

use crate::{
    cluster::Cluster,
    command::{isolated, output_of},
};

/// Both programs, pointed at one cluster.
#[derive(Debug)]
pub(super) struct UserTools {
    folder: PathBuf,
    kubeconfig: PathBuf,
    context: Option<String>,
}

impl UserTools {
    pub(super) fn new(folder: PathBuf, cluster: &Cluster) -> Self {
        Self { folder, kubeconfig: cluster.kubeconfig(), context: cluster.context().map(Into::into) }
    }

    /// Runs kubectl in the repository and returns what it prints.
    pub(super) fn kubectl(&self, arguments: &str) -> anyhow::Result<String> {
        self.run("kubectl", "--context", arguments)
    }

    /// Runs helm in the repository and returns what it prints.
    pub(super) fn helm(&self, arguments: &str) -> anyhow::Result<String> {
        self.run("helm", "--kube-context", arguments)
    }

    /// Where both programs are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Arguments here hold no blanks of their own.
    fn run(&self, program: &str, context_flag: &str, arguments: &str) -> anyhow::Result<String> {
        let context = self.context.as_ref().map(|context| format!(" {context_flag} {context}"));
        println!("  $ {program} {arguments}{}", context.unwrap_or_default());
        let mut command = isolated(self.folder.join(program));
        command.args(arguments.split_whitespace()).current_dir(crate::repository());
        command.env("KUBECONFIG", &self.kubeconfig);
        if let Some(context) = &self.context {
            command.args([context_flag, context]);
        }
        output_of(&mut command)
    }
}
