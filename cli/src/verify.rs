//! `m2a verify`: verifies a proof file offline, and shows who sent which message to whom.
//!
//! It needs no network and no clock, and does not trust the sender of the file.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use protocol::proof::{self, Statement};
use serde::Serialize;

use crate::failure::{ExitKind, Failure};
use crate::message_view::{format_content, format_time};
use crate::output::{Output, Tone};

/// Bytes of a proof. 256 messages with their documents are far smaller.
const PROOF_BYTES_MAX: u64 = 512 * 1024 * 1024;

#[derive(Args)]
pub(crate) struct VerifyArgs {
    /// The proof file; - reads standard input.
    #[arg(value_name = "FILE")]
    proof: PathBuf,
}

#[derive(Serialize)]
struct ProofView {
    verified: bool,
    messages: Vec<StatementView>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatementView {
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

pub(crate) fn run(args: VerifyArgs, output: &Output) -> Result<ExitCode, Failure> {
    let bytes = read(&args.proof)?;
    let statements = proof::verify(without_newline(&bytes)).map_err(|e| {
        Failure::new(ExitKind::NotVerified, format!("the proof {} does not verify", args.proof.display()))
            .caused_by(&e)
            .advising("do not trust its content; ask for the original file")
    })?;
    let view = ProofView { verified: true, messages: statements.into_iter().map(statement).collect() };
    output.result(&view, text(&view, output));
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

/// Removes the newline after a proof that was printed as a line.
fn without_newline(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\n").unwrap_or(bytes)
}

fn statement(statement: Statement) -> StatementView {
    let Statement { header, content, signing_key, root_key, document_created } = statement;
    StatementView {
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

fn text(view: &ProofView, output: &Output) -> String {
    let count = view.messages.len();
    let plural = if count == 1 { "message" } else { "messages" };
    let mut text = output.paint(Tone::Good, format_args!("verified: {count} {plural}"));
    for message in &view.messages {
        let StatementView { from, to, content, signing_key_id, signing_key, root_key, .. } = message;
        let created = format_time(message.document_created);
        text.push_str(&format!(
            "\n\n{} {} {}\n  from     {from}\n  to       {to}\n  content  {}\n",
            format_time(message.time),
            message.r#type.as_str(),
            message.id,
            output.paint(Tone::Strong, format_content(content))
        ));
        text.push_str(&format!("  signed by {signing_key_id} {signing_key}\n"));
        text.push_str(&format!(
            "  listed in the DID document of {created}, which root key {root_key} signed"
        ));
    }
    text
}
