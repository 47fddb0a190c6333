//! Keeps the tables in `docs/protocol.md` that follow from the types: reasons, refusals, quotas,
//! close codes and limits.
//!
//! A table stands between `<!-- generated: NAME -->` and `<!-- end -->`.

use std::path::PathBuf;

use msg2agent_protocol::Reason;
use msg2agent_protocol::close::CloseCode;
use msg2agent_protocol::frame::SessionLimits;
use msg2agent_protocol::limits;
use msg2agent_protocol::quota::QuotaName;
use msg2agent_protocol::reason::Retry;
use msg2agent_protocol::refusal::RefusalReason;

use super::REWRITE;

#[test]
fn the_tables_of_the_protocol_page_are_what_the_types_say() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md");
    let found = std::fs::read_to_string(&path).unwrap();
    let tables = [
        ("reasons", reasons()),
        ("refusals", refusals()),
        ("quotas", quotas()),
        ("close-codes", close_codes()),
        ("session-limits", session_limits()),
        ("fixed-limits", fixed_limits()),
    ];
    let wanted = tables.iter().fold(found.clone(), |page, (name, table)| replaced(&page, name, table));
    if std::env::var_os(REWRITE).is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap();
    assert!(found == wanted, "{}: a table is not current; {REWRITE}=1 rewrites it", path.display());
}

fn replaced(page: &str, name: &str, table: &str) -> String {
    let start = format!("<!-- generated: {name} -->\n");
    let (before, rest) = page.split_once(&start).unwrap_or_else(|| panic!("no place for the table {name}"));
    let (_, after) = rest.split_once("<!-- end -->").unwrap();
    format!("{before}{start}{table}<!-- end -->{after}")
}

fn reasons() -> String {
    let mut table =
        "| reason | code | HTTP | the same request again | what to do |\n|---|---|---|---|---|\n".to_owned();
    for reason in Reason::ALL {
        let again = match reason.retry() {
            Retry::Later => "later",
            Retry::Reconnected => "on a new connection",
            Retry::Registered => "after registering",
            Retry::Changed => "no",
        };
        let (word, code, status, advice) =
            (reason.as_str(), reason.code(), reason.http_status(), reason.advice());
        table += &format!("| `{word}` | {code} | {status} | {again} | {advice} |\n");
    }
    table
}

fn refusals() -> String {
    let mut table = "| word | the recipient found | the sender can |\n|---|---|---|\n".to_owned();
    for reason in RefusalReason::ALL {
        table += &format!("| `{}` | {} | {} |\n", reason.as_str(), reason.meaning(), reason.advice());
    }
    table
}

fn quotas() -> String {
    let mut table = "| quota | what is counted |\n|---|---|\n".to_owned();
    for name in QuotaName::ALL {
        table += &format!("| `{}` | {} |\n", name.as_str(), name.meaning());
    }
    table
}

fn close_codes() -> String {
    let mut table = "| code | meaning | reconnect |\n|---|---|---|\n".to_owned();
    for code in CloseCode::ALL {
        let number = code.number();
        let again = if CloseCode::should_reconnect(number) { "yes" } else { "no" };
        table += &format!("| {number} | {} | {again} |\n", code.meaning());
    }
    table
}

fn session_limits() -> String {
    let defaults = serde_json::to_value(SessionLimits::default()).unwrap();
    let meanings = [
        ("windowMessages", "deliveries and notices that may be unacknowledged"),
        (
            "windowBytes",
            "bytes of envelopes that may be unacknowledged; an empty window takes one of any size",
        ),
        ("frameBytes", "bytes of a frame, in either direction"),
        ("envelopeBytes", "bytes of the JSON of an envelope"),
        ("contentBytes", "bytes of the JSON of a content, before padding"),
        ("ttlSeconds", "the longest `ttl`"),
        ("unansweredSends", "sends that wait for their answer; the next one is `overloaded`"),
        ("sendsPerSecond", "sends on average; more are `rate_limited`"),
        ("sendsBurst", "sends at once"),
        ("queriesPerSecond", "other requests and unknown notifications of a connection, on average"),
        ("queriesBurst", "the same at once"),
        ("mailboxMessages", "messages in the mailbox of one agent; more are `mailbox_full`"),
        ("mailboxBytes", "bytes in the mailbox of one agent"),
    ];
    assert_eq!(defaults.as_object().unwrap().len(), meanings.len(), "a limit without a meaning");
    let mut table = "| member | default | meaning |\n|---|---:|---|\n".to_owned();
    for (member, meaning) in meanings {
        table += &format!("| `{member}` | {} | {meaning} |\n", defaults[member].as_u64().unwrap());
    }
    table
}

fn fixed_limits() -> String {
    let rows = [
        ("a frame before registration", 96 * 1024, "bytes; a larger one closes with 1009"),
        ("a DID", limits::DID_BYTES_MAX, "bytes"),
        ("a protected header, decoded", limits::HEADER_BYTES_MAX, "bytes"),
        ("a record", limits::RECORD_BYTES_MAX, "bytes"),
        ("`thread`", limits::THREAD_BYTES_MAX, "bytes"),
        ("nesting of JSON", limits::JSON_DEPTH_MAX, "levels; the content's own value has one less"),
        ("capabilities of a card", limits::CAPABILITIES_MAX, "entries with different ids"),
        ("a card's `name`, a capability's `id` and `name`", limits::LABEL_BYTES_MAX, "bytes"),
        ("a card's `description`", limits::DESCRIPTION_BYTES_MAX, "bytes"),
        ("signing keys, and encryption keys, of a document", limits::KEYS_PER_USE_MAX, "each"),
        (
            "agents in a page of discovery",
            limits::DISCOVER_PAGE_MAX,
            "entries; a larger `limit` counts as this",
        ),
        ("messages in a proof", limits::PROOF_MESSAGES_MAX, "messages"),
    ];
    let mut table = "| what | at most | unit |\n|---|---:|---|\n".to_owned();
    for (what, most, unit) in rows {
        table += &format!("| {what} | {most} | {unit} |\n");
    }
    table
}
