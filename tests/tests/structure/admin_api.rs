//! Writes `docs/admin-api.md`, the page of the requests and bodies of a relay's admin API, from the
//! types in `protocol`.
//!
//! The test compares the page with the sources. `MSG2AGENT_WRITE_GOLDEN=1` writes the page.

use body_type::{BodyType, Member, body_types, prose};

use crate::generated_page;
use crate::workspace::root;

mod body_type;

const PAGE: &str = "docs/admin-api.md";
/// The types of these files are described, in this order.
const SOURCES: [&str; 5] = [
    "protocol/src/admin.rs",
    "protocol/src/admin/batch.rs",
    "protocol/src/admin/invitation.rs",
    "protocol/src/admin/version.rs",
    "protocol/src/record.rs",
];
/// Types of the last file that are bodies of this API.
const OF_RECORDS: [&str; 3] = ["Card", "Capability", "Discovery"];

const HEAD: &str = "# The admin API

The requests of a relay's admin API below `/admin/v1/`, with their bodies. How to reach it, who may
write what and what a deletion leaves behind is in [administration.md](administration.md).
`make gen` writes this page from the types in `protocol/src/admin.rs`, and
`tests/tests/structure/admin_api.rs` keeps it current.

Every request carries `Authorization: Bearer <admin token>`. Bodies are JSON. A refusal has an HTTP
status and a [`Problem`](#problem) with a reason of [protocol.md](protocol.md#errors).

## Requests

";

#[test]
fn the_page_of_the_admin_api_is_what_the_types_say() {
    generated_page::check(PAGE, &page());
}

fn page() -> String {
    let mut types = Vec::new();
    for source in SOURCES {
        let text = std::fs::read_to_string(root().join(source)).expect("a source file");
        let of_records = source.ends_with("record.rs");
        types.extend(
            body_types(&text).into_iter().filter(|t| !of_records || OF_RECORDS.contains(&t.name.as_str())),
        );
    }
    assert!(types.len() > 20, "found only {} types", types.len());
    let names: Vec<_> = types.iter().map(|body| body.name.clone()).collect();
    let mut page = HEAD.to_owned() + &requests(&names) + "\n## Bodies\n";
    types.iter().for_each(|body| page += &section(body, &names));
    page
}

/// The table of requests in the documentation of the module, followed by its rules.
fn requests(names: &[String]) -> String {
    let text = std::fs::read_to_string(root().join(SOURCES[0])).expect("a source file");
    let lines: Vec<_> = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
    let documentation = lines.join("\n");
    let (_, rest) = documentation.split_once("| request |").expect("a table of requests");
    let (table, _) = rest.split_once("\n```").expect("the example after the rules");
    linked(&format!("| request |{table}"), names).trim_end().to_owned() + "\n"
}

fn section(body: &BodyType, names: &[String]) -> String {
    let mut section = format!("\n### {}\n\n{}\n", body.name, linked(&prose(&body.doc), names));
    if body.is_enum {
        section += "\n| value | meaning |\n|---|---|\n";
        for member in &body.members {
            section += &format!("| `{}` | {} |\n", member.name, linked(&member.doc, names));
        }
        return section;
    }
    section += "\n| member | type | | meaning |\n|---|---|---|---|\n";
    for Member { name, r#type, is_optional, doc } in &body.members {
        let presence = if *is_optional { "optional" } else { "always" };
        let (shown, doc) = (type_text(r#type, names), linked(doc, names));
        section += &format!("| `{name}` | {shown} | {presence} | {doc} |\n");
    }
    section
}

/// The JSON type of a Rust type.
fn type_text(of: &str, names: &[String]) -> String {
    for (wrapper, plural) in [("Option<", ""), ("Vec<", "list of "), ("BTreeSet<", "list of ")] {
        if let Some(inner) = of.strip_prefix(wrapper).and_then(|rest| rest.strip_suffix('>')) {
            return format!("{plural}{}", type_text(inner, names));
        }
    }
    let known = match of {
        "String" => "text",
        "bool" => "true or false",
        "u16" | "u32" | "u64" => "number",
        "UnixSeconds" => "seconds since 1970",
        "TenantId" => "tenant id",
        "AgentName" => "agent name",
        "Did" => "DID",
        "Domain" => "domain",
        "KeyHash" => "SHA-256 in 64 lower-case hex digits",
        "KeyId" => "`k_` and the first 12 hex digits of the SHA-256",
        "Reason" => "reason",
        "Quota" => "quota",
        "Owner" => "owner, as in `M2A-Owner`",
        "T" => "the entry",
        _ => {
            assert!(names.iter().any(|name| name == of), "the type {of} has no description");
            return format!("[{of}](#{})", of.to_lowercase());
        }
    };
    known.to_owned()
}

/// The name of a header on the wire, by the constant that holds it.
fn header(constant: &str) -> Option<&'static str> {
    let names = [
        ("OWNER_HEADER", "M2A-Owner"),
        ("FORMER_OWNER_HEADER", "M2A-Former-Owner"),
        ("IF_OWNED_HEADER", "M2A-If-Owned"),
        ("TERM_HEADER", "M2A-Term"),
    ];
    names.into_iter().find(|(name, _)| *name == constant).map(|(_, header)| header)
}

/// The text with links of rustdoc as links in this page, or as code.
fn linked(text: &str, names: &[String]) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("[`") {
        let (link, after) = after.split_once("`]").expect("the end of a link");
        out.push_str(before);
        let target = link.rsplit("::").next().unwrap_or(link);
        match names.iter().any(|name| name == target) {
            true => out += &format!("[{target}](#{})", target.to_lowercase()),
            false => out += &format!("`{}`", header(target).unwrap_or(link)),
        }
        rest = after;
    }
    out + rest
}
