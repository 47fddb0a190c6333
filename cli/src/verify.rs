//! `m2a verify`: verifies a proof file, and shows who sent which message to whom.
//!
//! It needs no clock, and does not trust the sender of the file. The root keys in the file count
//! only if they are known from elsewhere, because anybody can make a file with root keys of his
//! own.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use msg2agent::Did;
use protocol::multikey;
use protocol::proof::{self, ConsistentProof, ProofError, Statement};
use serde::Serialize;

use crate::anchors::{AnchorArgs, AnchorSource, Anchors};
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
    #[command(flatten)]
    anchors: AnchorArgs,
}

#[derive(Serialize)]
struct ProofView {
    verdict: Verdict,
    /// Present if it is true.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    verified: bool,
    /// The agent that wrote the file.
    by: String,
    /// Senders and writer for whose root keys nothing but the file vouches.
    unanchored: Vec<String>,
    messages: Vec<StatementView>,
}

#[derive(Serialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Verified,
    ConsistentNotAnchored,
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
    /// Where the root key is known from.
    #[serde(skip_serializing_if = "Option::is_none")]
    anchor: Option<AnchorSource>,
    document_created: u64,
}

pub(crate) async fn run(
    profile: Option<&str>,
    args: VerifyArgs,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let file = read(&args.proof)?;
    let bytes = without_newline(&file);
    let refused = |e: &ProofError| {
        Failure::new(ExitKind::NotVerified, format!("the proof {} does not verify", args.proof.display()))
            .caused_by(e)
            .advising("do not trust its content; ask for the original file")
    };
    let needed = proof::check_consistency(bytes, &|_| None).map_err(|e| refused(&e))?.unanchored;
    let anchors = Anchors::collect(args.anchors, profile, &needed).await?;
    let root_key_of = |did: &Did| multikey::decode_ed25519(anchors.root(did)?).ok();
    let proof = proof::check_consistency(bytes, &root_key_of).map_err(|e| refused(&e))?;
    let view = view(proof, &anchors);
    output.result(&view, text(&view, output));
    Ok(match view.verdict {
        Verdict::Verified => ExitCode::SUCCESS,
        Verdict::ConsistentNotAnchored => ExitCode::from(ExitKind::NotAnchored as u8),
    })
}

fn view(proof: ConsistentProof, anchors: &Anchors) -> ProofView {
    let verified = proof.unanchored.is_empty();
    ProofView {
        verdict: if verified { Verdict::Verified } else { Verdict::ConsistentNotAnchored },
        verified,
        by: proof.by.to_string(),
        unanchored: proof.unanchored.iter().map(ToString::to_string).collect(),
        messages: proof.statements.into_iter().map(|found| statement(found, anchors)).collect(),
    }
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

fn statement(statement: Statement, anchors: &Anchors) -> StatementView {
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
        anchor: anchors.source(&header.from),
        document_created,
    }
}

fn text(view: &ProofView, output: &Output) -> String {
    let messages: Vec<_> = view.messages.iter().map(|message| message_text(message, output)).collect();
    format!("{}\n\n{}", headline(view, output), messages.join("\n\n"))
}

fn headline(view: &ProofView, output: &Output) -> String {
    let count = view.messages.len();
    let plural = if count == 1 { "message" } else { "messages" };
    if view.verdict == Verdict::Verified {
        return output.paint(Tone::Good, format_args!("verified: {count} {plural}"));
    }
    let verdict = output.paint(Tone::Bad, format_args!("consistent, not anchored: {count} {plural}"));
    format!(
        "{verdict}\nAnybody can make such a file. Nothing but the file vouches for the root key of {}.\n\
         Ask its owner, and give the key with --root DID=MULTIKEY; or use --pins or --online.",
        view.unanchored.join(" and ")
    )
}

fn message_text(message: &StatementView, output: &Output) -> String {
    let StatementView { id, from, to, content, signing_key_id, signing_key, root_key, anchor, .. } = message;
    let created = format_time(message.document_created);
    let anchor = anchor.map_or("nothing but this file", AnchorSource::text);
    format!(
        "{} {} {id}\n  from     {from}\n  to       {to}\n  content  {}\n  signed by {signing_key_id} {signing_key}\n  \
         listed in the DID document of {created}, which root key {root_key} signed\n  known by {anchor}",
        format_time(message.time),
        message.r#type.as_str(),
        output.paint(Tone::Strong, format_content(content)),
    )
}
