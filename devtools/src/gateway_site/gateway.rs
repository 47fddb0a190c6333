//! Starts, stops and restarts one gateway.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::TempDir;

use super::{BINARY, ready};
use crate::free_port::free_port;
use crate::process::TestProcess;

pub struct Gateway {
    pub port: u16,
    pub admin_port: u16,
    /// Absent while it is stopped.
    process: Option<TestProcess>,
    settings: Settings,
    folder: TempDir,
}

#[derive(Clone)]
struct Settings {
    public_url: String,
    issuer: String,
    token_file: PathBuf,
}

impl Gateway {
    pub(super) async fn start(
        port: u16,
        public_url: &str,
        issuer: &str,
        token_file: &Path,
    ) -> anyhow::Result<Self> {
        let settings = Settings {
            public_url: public_url.to_owned(),
            issuer: issuer.to_owned(),
            token_file: token_file.to_owned(),
        };
        let (admin_port, folder) = (free_port()?, tempfile::tempdir()?);
        let mut gateway = Self { port, admin_port, process: None, settings, folder };
        gateway.start_again().await?;
        Ok(gateway)
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("http://localhost:{}/mcp", self.port)
    }

    /// # Errors
    /// It has ended.
    pub fn pid(&self) -> anyhow::Result<u32> {
        self.process.as_ref().and_then(TestProcess::pid).context("the gateway has ended")
    }

    /// Ends it as Kubernetes does, and returns its exit code.
    ///
    /// # Errors
    /// It does not end in time.
    pub async fn end(&mut self) -> anyhow::Result<i32> {
        self.process.take().context("the gateway has ended")?.end().await
    }

    /// # Errors
    /// It does not become ready.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        let settings = self.settings.clone();
        let environment = [
            ("MSG2AGENT_GATEWAY_LISTEN", format!("127.0.0.1:{}", self.port)),
            ("MSG2AGENT_GATEWAY_ADMIN_LISTEN", format!("127.0.0.1:{}", self.admin_port)),
            ("MSG2AGENT_GATEWAY_PUBLIC_URL", settings.public_url),
            ("MSG2AGENT_GATEWAY_ISSUER", settings.issuer),
            ("MSG2AGENT_GATEWAY_TOKEN_FILE", settings.token_file.display().to_string()),
            ("MSG2AGENT_GATEWAY_DRAIN_DELAY_SECONDS", "1".to_owned()),
        ];
        let mut process = TestProcess::start_binary(BINARY, &["gateway"], environment, self.folder.path())?;
        ready(&mut process, self.admin_port).await?;
        self.process = Some(process);
        Ok(())
    }
}
