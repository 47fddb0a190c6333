//! `m2a verify`: who said what to whom, from a proof file alone: no network, no clock, no trust in who sent it.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use protocol::proof::{self, Statement};
use serde::Serialize;

use crate::failure::{Exit, Failure};
use crate::output::{Output, Tone};
use crate::printed::{body, time, word};

/// Bytes of a proof: 256 messages with their documents stay far below it.
const PROOF_BYTES_MAX: u64 = 512 * 1024 * 1024;

#[derive(Args)]
pub(crate) struct Options {
    /// The proof; - reads standard input.
    #[arg(value_name = "FILE")]
    proof: PathBuf,
}

#[derive(Serialize)]
struct Printed {
    verified: bool,
    messages: Vec<PrintedStatement>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PrintedStatement {
    id: String,
    from: String,
    to: String,
    r#type: protocol::envelope::MessageType,
    /// Seconds since the epoch, by the sender's clock.
    time: u64,
    content_type: String,
    content: serde_json::Value,
    signing_key_id: String,
    signing_key: String,
    root_key: String,
    document_created: u64,
}

pub(crate) fn run(options: Options, output: &Output) -> Result<ExitCode, Failure> {
    let bytes = read(&options.proof)?;
    let statements = proof::verify(without_newline(&bytes)).map_err(|e| {
        Failure::new(Exit::NotVerified, format!("the proof {} does not hold", options.proof.display()))
            .caused_by(&e)
            .advising("believe nothing in it; ask for the original file")
    })?;
    let printed = Printed { verified: true, messages: statements.into_iter().map(statement).collect() };
    output.result(&printed, text(&printed, output));
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |e| Failure::io(format!("cannot read the proof {}", path.display()), e);
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(PROOF_BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(PROOF_BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
    }
    Ok(bytes)
}

/// A proof that was printed as a line ends in a newline, which is not part of it.
fn without_newline(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\n").unwrap_or(bytes)
}

fn statement(statement: Statement) -> PrintedStatement {
    let Statement { header, content, signing_key, root_key, document_created } = statement;
    PrintedStatement {
        id: header.id.to_string(),
        from: header.from.to_string(),
        to: header.to.to_string(),
        r#type: header.r#type,
        time: header.time,
        content_type: content.content_type,
        content: content.content,
        signing_key_id: header.skid.to_string(),
        signing_key,
        root_key,
        document_created,
    }
}

fn text(printed: &Printed, output: &Output) -> String {
    let count = printed.messages.len();
    let plural = if count == 1 { "message" } else { "messages" };
    let mut text = output.paint(Tone::Good, format_args!("verified: {count} {plural}"));
    for message in &printed.messages {
        let PrintedStatement { from, to, content, signing_key_id, signing_key, root_key, .. } = message;
        let created = time(message.document_created);
        text.push_str(&format!(
            "\n\n{} {} {}\n  from  {from}\n  to    {to}\n  says  {}\n",
            time(message.time),
            word(message.r#type),
            message.id,
            output.paint(Tone::Strong, body(content))
        ));
        text.push_str(&format!("  signed by {signing_key_id} {signing_key}\n"));
        text.push_str(&format!("  named in the DID document of {created}, signed by root key {root_key}"));
    }
    text
}
