//! Writes `docs/kinds.md` from the definitions: every field, its type, its default and whether it
//! can change.

use serde_json::Value;

/// Members whose content Kubernetes defines. They are described as one field.
const OF_KUBERNETES: [&str; 8] = [
    "affinity",
    "conditions",
    "env",
    "imagePullSecrets",
    "resources",
    "selector",
    "tolerations",
    "topologySpreadConstraints",
];
/// The member that has a section of its own, because three programs have it.
const TEMPLATE: &str = "template";

const INTRODUCTION: &str = "# Relay, Tenant and Agent

Every field of the three kinds of `msg2agent.xyz/v1alpha1`. `make gen` writes this page from the
types in `crds/src`, and a test keeps it current: change the doc comment of the field, not this
page. `kubectl explain relay.spec` shows the same text, and `examples/` has manifests.

**Default**: what the API server stores if the field is not set. Stored defaults are frozen from the
first release on: another default would apply to new objects only, and two objects with the same
manifest would differ. A default that only the description names belongs to the operator and may
change with it.

**Change**: whether the field can change in an object that exists. `no`: the API server refuses a
change. `grows`: only to a larger value. `yes`: at any time. Fields that are `no` are part of a DID
or are mounted by pods, and this will not change.

**Names**: the names of a Relay and of an Agent have at most 40 characters and do not end in `-mcp`,
`-gateway` or `-pods`, because the operator gives such names to the objects that it creates.

**Moving**: `tenantRef` and `relayRef` may refer to another object, as long as the DIDs stay the
same. The operator refuses a move that would change a DID (`Accepted=False/DidChanged`), and the
agent keeps what it has until the reference is put back.

**Deletion**: an object that is deleted keeps its data by default (`deletionPolicy: Retain`). Its
keys are revoked at once, and an object with the same identity that is created later takes the rest
over. A deletion is often a mistake, such as a prune of a GitOps tool or a typing error, and a root
key that is lost cannot be made again. `Purge` deletes everything; set it before you delete the
object.

**Annotations that people set**: `msg2agent.xyz/paused: \"true\"` on any of the kinds stops the
operator from changing anything for the object, and its condition `Paused` says so.
`msg2agent.xyz/confirm-removal`, `msg2agent.xyz/confirm-new-identity` and
`msg2agent.xyz/confirm-new-authority` answer a condition that asks for consent; its message names
the value.

**Stability**: fields may be added. A field is removed or gets another meaning only in another
version of the kinds. See [upgrades.md](upgrades.md).
";

const TEMPLATE_HEADING: &str = "## Pod template

The member `template` of a Relay, of its `gateway` and of an Agent's `mcp`: parts of the pods that
their author can set.

";

/// The text of the page.
///
/// # Errors
/// A definition that JSON cannot represent.
pub fn text() -> Result<String, serde_json::Error> {
    let mut page = vec![INTRODUCTION.to_owned()];
    let mut template = Value::Null;
    for crd in crate::definitions() {
        let schema = serde_json::to_value(crd.spec.versions.first().map(|version| &version.schema))?;
        let part = |path: &str| schema.pointer(&format!("/openAPIV3Schema/{path}")).unwrap_or(&Value::Null);
        let kind = &crd.spec.names.kind;
        let article = if kind.starts_with('A') { "an" } else { "a" };
        page.push(format!("## {kind}\n\n{}\n", part("description").as_str().unwrap_or_default()));
        let (spec, status) = (part("properties/spec"), part("properties/status"));
        page.push(format!("### Spec of {article} {kind}\n\n{}", spec_table(spec)));
        page.push(format!("### Status of {article} {kind}\n\n{}", status_table(status)));
        if template.is_null() {
            template = part(&format!("properties/spec/properties/{TEMPLATE}")).clone();
        }
    }
    page.push(format!("{TEMPLATE_HEADING}{}", spec_table(&template)));
    Ok(page.join("\n"))
}

/// A field of a schema, with its place.
struct Field<'a> {
    path: String,
    schema: &'a Value,
    is_required: bool,
    change: Change,
}

/// Whether a field can change in an object that exists.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Yes,
    Grows,
    No,
}

impl Change {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Grows => "grows",
            Self::No => "no",
        }
    }
}

fn spec_table(schema: &Value) -> String {
    let head = "| Field | Type | Default | Change | Meaning |\n|---|---|---|---|---|\n".to_owned();
    let row = |field: Field<'_>| {
        let (kind, default) = (r#type(field.schema), default(&field));
        let change = field.change.as_str();
        format!("| `{}` | {kind} | {default} | {change} | {} |\n", field.path, description(&field))
    };
    fields(schema, "", Change::Yes).into_iter().map(row).fold(head, |page, row| page + &row)
}

fn status_table(schema: &Value) -> String {
    let head = "| Field | Type | Meaning |\n|---|---|---|\n".to_owned();
    let row = |field: Field<'_>| {
        format!("| `{}` | {} | {} |\n", field.path, r#type(field.schema), description(&field))
    };
    fields(schema, "", Change::Yes).into_iter().map(row).fold(head, |page, row| page + &row)
}

/// The fields of a schema and of its members. A member of an immutable field is immutable too.
fn fields<'a>(schema: &'a Value, path: &str, outer: Change) -> Vec<Field<'a>> {
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().collect();
    let mut found = Vec::new();
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let is_required = required.iter().any(|required| *required == name);
        let change = if outer == Change::No { outer } else { change(schema) };
        found.push(Field { path: path.clone(), schema, is_required, change });
        if !OF_KUBERNETES.contains(&&**name) && name != TEMPLATE {
            found.extend(fields(schema, &path, change));
            found.extend(fields(&schema["items"], &format!("{path}[]"), change));
        }
    }
    found
}

fn description(field: &Field<'_>) -> String {
    let text = field.schema["description"].as_str().unwrap_or_default();
    let text = text.replace('\n', " ").replace('|', "\\|");
    let is_template = field.path.ends_with(TEMPLATE);
    if is_template { format!("{text} See [Pod template](#pod-template).") } else { text }
}

fn r#type(field: &Value) -> String {
    if let Some(values) = field["enum"].as_array() {
        let values: Vec<_> =
            values.iter().filter_map(Value::as_str).map(|value| format!("`{value}`")).collect();
        return values.join(", ");
    }
    match field["type"].as_str() {
        Some("array") => "list".to_owned(),
        Some("object") if field["additionalProperties"].is_object() => "map".to_owned(),
        found => found.unwrap_or("value").to_owned(),
    }
}

fn default(field: &Field<'_>) -> String {
    match &field.schema["default"] {
        _ if field.is_required => "required".to_owned(),
        // The defaults of an object's members say the same.
        Value::Null | Value::Object(_) => String::new(),
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

/// Whether a field can change, as its description says.
fn change(schema: &Value) -> Change {
    let described = schema["description"].as_str().unwrap_or_default();
    if described.contains("Immutable") {
        Change::No
    } else if described.contains("It may grow") {
        Change::Grows
    } else {
        Change::Yes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_current() {
        let found = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/kinds.md"));
        let is_current = found.unwrap_or_default() == text().unwrap();
        assert!(is_current, "docs/kinds.md is stale: cargo run -p msg2agent-crds --bin crdgen -- --write");
    }

    #[test]
    fn every_field_that_a_rule_holds_fast_is_marked() {
        let page = text().unwrap();
        let mut messages = Vec::new();
        for crd in crate::definitions() {
            transition_messages(&serde_json::to_value(&crd.spec.versions[0].schema).unwrap(), &mut messages);
        }
        assert!(messages.len() >= 8, "{messages:?}");
        for message in messages {
            let field = message.split(' ').next().unwrap();
            let field = field.rsplit('.').next().unwrap();
            let change = if message.contains("may only grow") { "grows" } else { "no" };
            let is_marked = page.lines().any(|line| {
                let cells: Vec<_> = line.split(" | ").collect();
                cells.len() > 3
                    && cells[0].trim_end_matches('`').rsplit(['.', '`']).next() == Some(field)
                    && cells[3] == change
            });
            assert!(is_marked, "{field} is not marked `{change}`: {message}");
        }
    }

    /// The messages of all rules that compare with the former object.
    fn transition_messages(schema: &Value, into: &mut Vec<String>) {
        match schema {
            Value::Object(members) => {
                let rules = members.get("x-kubernetes-validations").and_then(Value::as_array);
                for rule in rules.into_iter().flatten() {
                    if rule["rule"].as_str().unwrap().contains("oldSelf") {
                        into.push(rule["message"].as_str().unwrap().to_owned());
                    }
                }
                members.values().for_each(|value| transition_messages(value, into));
            }
            Value::Array(items) => items.iter().for_each(|value| transition_messages(value, into)),
            _ => {}
        }
    }
}
