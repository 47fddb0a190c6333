//! Signs in from Claude Code: runs `claude mcp login` under a terminal while the caller opens the
//! URL that it prints.

use std::process::Stdio;

use anyhow::{Context as _, ensure};
use tokio::io::AsyncReadExt as _;
use tokio::process::{ChildStdout, Command};

use super::{COMMAND_TIMEOUT, ClaudeCode, output_of};

/// Wide enough that no URL is broken into lines.
const TERMINAL_COLUMNS: u32 = 4000;

impl ClaudeCode {
    /// Signs in at the server of this name; `open` does with the URL what a person and a browser
    /// do. Returns what was said.
    ///
    /// # Errors
    /// It prints no URL, `open` fails, or it says that the sign-in failed.
    pub async fn login<Opened: Future<Output = anyhow::Result<()>>>(
        &self,
        server: &str,
        open: impl FnOnce(String) -> Opened,
    ) -> anyhow::Result<String> {
        let signing_in = async {
            let mut terminal = self.terminal(&format!("mcp login --no-browser {server}"))?.spawn()?;
            let mut screen = terminal.stdout.take().context("take the terminal's output")?;
            let mut said = String::new();
            let url = read_url(&mut screen, &mut said).await?;
            open(url).await.with_context(|| format!("Claude Code had said:\n{said}"))?;
            let mut rest = Vec::new();
            screen.read_to_end(&mut rest).await?;
            said.push_str(&String::from_utf8_lossy(&rest));
            let status = terminal.wait().await?;
            ensure!(status.success(), "the sign-in ended with {status}:\n{said}");
            Ok(said)
        };
        tokio::time::timeout(COMMAND_TIMEOUT, signing_in).await.context("the sign-in did not end in time")?
    }

    /// Forgets the sign-in, and tells the authorization server so.
    ///
    /// # Errors
    /// It fails.
    pub async fn logout(&self, server: &str) -> anyhow::Result<String> {
        let mut command = self.command();
        command.args(["mcp", "logout", server]);
        output_of(command).await
    }

    /// The program under `script`, which makes a terminal for it. No argument has anything a shell
    /// would read.
    fn terminal(&self, arguments: &str) -> anyhow::Result<Command> {
        let program = self.program.to_str().context("the program's path is not UTF-8")?;
        let inside = format!("stty cols {TERMINAL_COLUMNS}; exec '{program}' {arguments}");
        let mut command = self.command_of("script".as_ref());
        command.args(["-q", "-e", "-c", &inside, "/dev/null"]).env("TERM", "dumb");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command)
    }
}

async fn read_url(screen: &mut ChildStdout, said: &mut String) -> anyhow::Result<String> {
    let mut part = [0; 4096];
    loop {
        let count = screen.read(&mut part).await.context("read the terminal")?;
        ensure!(count > 0, "Claude Code ended without a URL:\n{said}");
        said.push_str(&String::from_utf8_lossy(part.get(..count).unwrap_or_default()));
        if let Some(url) = find_url(said) {
            return Ok(url.to_owned());
        }
    }
}

/// The first whole URL of an authorization request.
fn find_url(said: &str) -> Option<&str> {
    let starts = said.match_indices("http").map(|(at, _)| said.get(at..).unwrap_or_default());
    let mut urls = starts.filter_map(|rest| {
        let end = rest.find(|c: char| c.is_whitespace() || c.is_control())?;
        rest.get(..end)
    });
    urls.find(|url| url.contains("/oauth/authorize?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_taken_once_it_is_whole() {
        let url = "http://127.0.0.1:1/oauth/authorize?a=1&redirect_uri=http%3A%2F%2Flocalhost%3A2";
        assert_eq!(find_url(&format!("see http://docs.test/ or\r\n {url}")), None);
        assert_eq!(find_url(&format!("see http://docs.test/ or\r\n \u{1b}[1m{url}\u{1b}[0m\r\n")), Some(url));
    }
}
