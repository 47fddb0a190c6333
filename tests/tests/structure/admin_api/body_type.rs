//! Reads the serialized types of a Rust file: their members, names on the wire and doc comments.

/// A type that is JSON in a body.
#[derive(Debug, Default)]
pub(super) struct BodyType {
    pub(super) name: String,
    pub(super) doc: String,
    pub(super) is_enum: bool,
    pub(super) members: Vec<Member>,
}

/// A member of a structure, or a value of an enumeration.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) r#type: String,
    pub(super) is_optional: bool,
    pub(super) doc: String,
}

/// The public types that serde serializes, in their order.
pub(super) fn body_types(source: &str) -> Vec<BodyType> {
    let code = source.split("#[cfg(test)]\nmod").next().unwrap_or(source);
    let (mut types, mut doc, mut attributes) = (Vec::new(), Vec::new(), String::new());
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let head = line.strip_prefix("pub struct ").map(|rest| (rest, false));
        let head = head.or_else(|| line.strip_prefix("pub enum ").map(|rest| (rest, true)));
        if let Some(comment) = line.strip_prefix("///") {
            doc.push(comment.trim().to_owned());
        } else if line.starts_with("#[") {
            attributes.push_str(line);
        } else if let (Some((rest, is_enum)), true) = (head, attributes.contains("Serialize")) {
            let name = rest.split([' ', '<', '{']).next().unwrap_or_default().to_owned();
            let body: Vec<_> = lines.by_ref().take_while(|line| *line != "}").collect();
            let members = members(&body, is_enum, &attributes);
            types.push(BodyType { name, doc: std::mem::take(&mut doc).join(" "), is_enum, members });
            attributes.clear();
        } else {
            doc.clear();
            attributes.clear();
        }
    }
    types
}

fn members(body: &[&str], is_enum: bool, type_attributes: &str) -> Vec<Member> {
    let (mut members, mut doc, mut attributes) = (Vec::new(), Vec::new(), String::new());
    for line in body.iter().map(|line| line.trim()) {
        if let Some(comment) = line.strip_prefix("///") {
            doc.push(comment.trim().to_owned());
        } else if line.starts_with("#[") {
            attributes.push_str(line);
        } else if let Some(declared) = line.strip_suffix(',') {
            let (name, r#type) = declared_member(declared, is_enum);
            members.push(Member {
                name: on_the_wire(name, type_attributes),
                is_optional: r#type.starts_with("Option<") || attributes.contains("default"),
                r#type: r#type.to_owned(),
                doc: std::mem::take(&mut doc).join(" "),
            });
            attributes.clear();
        }
    }
    members
}

/// `name: Type` of a structure, `Value` or `Value(Type)` of an enumeration.
fn declared_member(declared: &str, is_enum: bool) -> (&str, &str) {
    if is_enum {
        return (declared.split('(').next().unwrap_or(declared), "");
    }
    let declared = declared.strip_prefix("pub ").unwrap_or(declared);
    let (name, r#type) = declared.split_once(": ").expect("a member with its type");
    (name.trim_start_matches("r#"), r#type)
}

/// The name as serde writes it.
fn on_the_wire(name: &str, type_attributes: &str) -> String {
    if type_attributes.contains("rename_all = \"lowercase\"") {
        return name.to_lowercase();
    }
    if !type_attributes.contains("rename_all = \"camelCase\"") {
        return name.to_owned();
    }
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default();
    let mut wire = first.chars().next().map(|c| c.to_ascii_lowercase()).into_iter().collect::<String>();
    wire.extend(first.chars().skip(1));
    for word in words {
        let mut characters = word.chars();
        wire.extend(characters.next().map(|c| c.to_ascii_uppercase()));
        wire.extend(characters);
    }
    wire
}

/// A doc comment in lines of at most 100 columns.
pub(super) fn prose(doc: &str) -> String {
    let mut lines = vec![String::new()];
    for word in doc.split_whitespace() {
        let line = lines.last_mut().expect("a line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.len() + 1 + word.len() <= 90 {
            *line += &format!(" {word}");
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n")
}
