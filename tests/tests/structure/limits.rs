//! Writes `docs/limits.md`, the page of every timeout and limit, from the constants in the sources.
//!
//! The test compares the page with the sources. `MSG2AGENT_WRITE_GOLDEN=1` writes the page.

use constants::Constant;
use value::Values;

use crate::generated_page;
use crate::workspace;

mod constants;
mod value;

const PAGE: &str = "docs/limits.md";
/// Members of the workspace that run in tests only.
const TEST_MEMBERS: [&str; 2] = ["tests", "devtools"];

const HEAD: &str = "# Timeouts and limits

Every timeout and limit that is a single constant, with its value and what it bounds. The limits of
an inbox are in docs/mcp.md. `make gen` writes this page from the sources, and
`tests/tests/structure/limits.rs` keeps it current: change the constant or its doc comment, not this
page. Settings of an administrator are described elsewhere: those of a relay in docs/oauth.md and
with `msg2agent-relay --help`, those of an MCP endpoint and of the gateway in docs/mcp.md and
docs/gateway.md.
";

#[test]
fn the_page_of_limits_is_what_the_constants_say() {
    generated_page::check(PAGE, &page());
}

#[test]
fn every_limit_says_what_it_bounds() {
    let silent: Vec<_> = constants()
        .into_iter()
        .filter(|constant| constant.is_limit() && constant.doc.split_whitespace().count() < 2)
        .map(|constant| format!("{}: {}", constant.file, constant.name))
        .collect();
    assert!(silent.is_empty(), "without a doc comment: {silent:#?}");
}

fn constants() -> Vec<Constant> {
    let found: Vec<_> = members().flat_map(|member| constants::read_member(&member)).collect();
    assert!(found.len() > 150, "found only {} constants", found.len());
    found
}

/// The folders of the packages whose limits matter to a user.
fn members() -> impl Iterator<Item = String> {
    workspace::members().into_iter().filter(|member| !TEST_MEMBERS.contains(&member.as_str()))
}

fn page() -> String {
    let constants = constants();
    let values = Values::new(&constants);
    let (mut page, mut member, mut file) = (HEAD.to_owned(), "", "");
    for constant in constants.iter().filter(|constant| constant.is_limit()) {
        if constant.member != member {
            member = &constant.member;
            page += &format!("\n## `{member}/`\n");
        }
        if constant.file != file {
            file = &constant.file;
            page += &format!("\n### `{file}`\n\n| name | value | what it bounds |\n|---|---|---|\n");
        }
        let doc = constant.doc.replace('|', "\\|");
        page += &format!("| `{}` | {} | {doc} |\n", constant.name, values.text(constant));
    }
    page
}

#[test]
fn a_value_is_computed_and_written_with_its_unit() {
    let cases = [
        ("A_BYTES_MAX", "usize", "64 * 1024", "64 KiB"),
        ("B_BYTES_MAX", "usize", "protocol::A_BYTES_MAX - 1", "65,535 bytes"),
        ("C_BYTES_MAX", "usize", "(1 << 20) / 4 * 3", "768 KiB"),
        ("COUNT_MAX", "usize", "4_096", "4,096"),
        ("FIRST_TIMEOUT", "Duration", "Duration::from_millis(1500)", "1,500 ms"),
        ("SECOND_TIMEOUT", "Duration", "Duration::from_secs(60)", "60 s"),
        ("THIRD_TTL_SECONDS", "u64", "10 * SECOND_TIMEOUT.as_secs()", "10 min"),
        ("FOURTH_TTL_SECONDS", "u64", "7 * 24 * 3600", "7 days"),
        ("FIFTH_TTL", "Duration", "Duration::from_hours(24)", "24 h"),
        ("OTHER_MAX", "usize", "size_of::<u64>()", "`size_of::<u64>()`"),
    ];
    let constant = |(name, r#type, value, _): &(&str, &str, &str, &str)| Constant {
        member: "a".into(),
        file: "a/src/lib.rs".into(),
        name: (*name).into(),
        r#type: (*r#type).into(),
        value: (*value).into(),
        doc: String::new(),
    };
    let constants: Vec<_> = cases.iter().map(constant).collect();
    let values = Values::new(&constants);
    for (constant, (_, _, _, wanted)) in constants.iter().zip(cases) {
        assert_eq!(values.text(constant), wanted, "{}", constant.name);
    }
}
