//! Drives a headless Chromium by clicks and keys over the DevTools protocol. It opens pages of this
//! machine only: names under `.example` resolve to it, every other name is unknown.

#![expect(clippy::indexing_slicing, reason = "a member that JSON does not have reads as null")]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use devtools::command::isolated;
use devtools::eventually::eventually;

mod devtools_protocol;
mod violation;

use devtools_protocol::DevTools;
pub use violation::Violation;

/// As Debian and others call it.
const PROGRAMS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// Time for the browser to start on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Time for a page to show what it should.
const PAGE_TIMEOUT: Duration = Duration::from_secs(30);
/// Where a browser writes the address of its DevTools.
const ADDRESS_FILE: &str = "DevToolsActivePort";

/// A browser with one page and no memory of an earlier one. Dropped, it is killed.
pub struct Chromium {
    _process: Child,
    tools: DevTools,
    _profile: tempfile::TempDir,
}

impl Chromium {
    /// # Errors
    /// It is not installed (`scripts/need.sh browser`), or does not start in time.
    pub async fn start() -> anyhow::Result<Self> {
        let profile = tempfile::tempdir().context("make a profile for the browser")?;
        let process = spawn(profile.path())?;
        let address = profile.path().join(ADDRESS_FILE);
        let url = eventually("the browser starts", START_TIMEOUT, async || devtools_url(&address)).await?;
        let tools = DevTools::open(&url).await?;
        Ok(Self { _process: process, tools, _profile: profile })
    }

    /// Goes to an address, as if it were typed.
    ///
    /// # Errors
    /// There is no such page.
    pub async fn open(&mut self, url: &str) -> anyhow::Result<()> {
        let gone = self.tools.call("Page.navigate", json!({ "url": url })).await?;
        ensure!(gone.get("errorText").is_none(), "{url}: {}", gone["errorText"]);
        Ok(())
    }

    /// Waits until something on the page fits the selector; answers its text.
    ///
    /// # Errors
    /// The address and text of the page that was shown instead.
    pub async fn see(&mut self, selector: &str) -> anyhow::Result<String> {
        let find = format!("document.querySelector({})?.innerText ?? null", json!(selector));
        self.wait_for(&format!("{selector} is shown"), &find).await
    }

    /// Waits until the page's address starts so; answers all of it.
    ///
    /// # Errors
    /// As [`Self::see`].
    pub async fn arrive(&mut self, start: &str) -> anyhow::Result<String> {
        let find = format!("location.href.startsWith({}) ? location.href : null", json!(start));
        self.wait_for(&format!("the browser is at {start}"), &find).await
    }

    /// Clicks the middle of the first that fits.
    ///
    /// # Errors
    /// Nothing fits in time, or nothing of it can be seen.
    pub async fn click(&mut self, selector: &str) -> anyhow::Result<()> {
        self.see(selector).await?;
        let place = format!(
            "(() => {{ const it = document.querySelector({}); it.scrollIntoView({{block: 'center'}}); \
             const box = it.getBoundingClientRect(); \
             return box.width && [box.x + box.width / 2, box.y + box.height / 2]; }})()",
            json!(selector)
        );
        let place = self.evaluate(&place).await?;
        let (Some(x), Some(y)) = (place[0].as_f64(), place[1].as_f64()) else {
            bail!("{selector} takes no room on the page");
        };
        for kind in ["mousePressed", "mouseReleased"] {
            let press = json!({"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1});
            self.tools.call("Input.dispatchMouseEvent", press).await?;
        }
        Ok(())
    }

    /// Clicks into a field and types.
    ///
    /// # Errors
    /// As [`Self::click`].
    pub async fn type_into(&mut self, selector: &str, text: &str) -> anyhow::Result<()> {
        self.click(selector).await?;
        self.tools.call("Input.insertText", json!({ "text": text })).await?;
        Ok(())
    }

    /// The cookies that the page's address would be sent, as DevTools describe them.
    ///
    /// # Errors
    /// The browser is gone.
    pub async fn cookies(&mut self) -> anyhow::Result<Vec<Value>> {
        let answer = self.tools.call("Network.getCookies", json!({})).await?;
        Ok(answer["cookies"].as_array().cloned().unwrap_or_default())
    }

    /// The violations of policies by the pages so far.
    ///
    /// # Errors
    /// The browser is gone.
    pub async fn violations(&mut self) -> anyhow::Result<Vec<Violation>> {
        // Whatever the browser had to say about earlier steps comes before the answer to this one.
        self.evaluate("0").await?;
        Ok(self.tools.events().iter().filter_map(Violation::of_event).collect())
    }

    /// A picture of the whole page.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn picture(&mut self, file: &Path) -> anyhow::Result<()> {
        let options = json!({"format": "png", "captureBeyondViewport": true});
        let answer = self.tools.call("Page.captureScreenshot", options).await?;
        let bytes = STANDARD.decode(answer["data"].as_str().context("a picture")?)?;
        let folder = file.parent().context("a folder for the picture")?;
        std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        std::fs::write(file, bytes).with_context(|| format!("write {}", file.display()))
    }

    /// Waits until the expression has a value that is not null.
    async fn wait_for(&mut self, what: &str, expression: &str) -> anyhow::Result<String> {
        eventually(what, PAGE_TIMEOUT, async || {
            // A page that is on its way out answers with an error.
            let found = self.evaluate(expression).await?;
            if let Some(text) = found.as_str() {
                return Ok(text.to_owned());
            }
            let shown = self.evaluate("location.href + ': ' + document.body?.innerText").await?;
            bail!("{}", shown.as_str().unwrap_or_default())
        })
        .await
    }

    async fn evaluate(&mut self, expression: &str) -> anyhow::Result<Value> {
        let options = json!({"expression": expression, "returnByValue": true});
        let answer = self.tools.call("Runtime.evaluate", options).await?;
        ensure!(answer.get("exceptionDetails").is_none(), "{}", answer["exceptionDetails"]);
        Ok(answer["result"]["value"].clone())
    }
}

fn spawn(profile: &Path) -> anyhow::Result<Child> {
    let program = program().context("Chromium is not installed: run scripts/need.sh browser")?;
    let log = std::fs::File::create(profile.join("log")).context("create the browser's log")?;
    Command::from(isolated(program))
        .arg("--headless=new")
        .arg("--remote-debugging-port=0")
        .arg(format!("--user-data-dir={}", profile.display()))
        // Its sandbox needs rights that containers and root do not have; all it opens is ours.
        .arg("--no-sandbox")
        .arg("--host-resolver-rules=MAP *.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1")
        // Names under .example are this machine, where nobody could have a certificate that is
        // trusted.
        .arg("--ignore-certificate-errors")
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--disable-dev-shm-usage", "--disable-gpu", "--no-first-run", "--window-size=900,1100"])
        .arg("about:blank")
        .env("HOME", profile)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("start {program}", program = PROGRAMS[0]))
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    let candidates = PROGRAMS.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.into_iter().find(|candidate| candidate.is_file())
}

/// The file has the port and the path on a line each.
fn devtools_url(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    let (port, path) = text.trim().split_once('\n').context("both lines")?;
    Ok(format!("ws://127.0.0.1:{port}{path}"))
}
