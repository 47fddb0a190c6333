//! What `tools/list` says about a tool. Schemas are JSON Schema 2020-12 without references, which every client reads.

use std::sync::Arc;

use rmcp::model::{JsonObject, ToolAnnotations};
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

use super::Tool;

/// What a call does to the world, as clients use it to ask for consent (MCP, tool annotations).
#[derive(Debug, Clone, Copy)]
pub(super) enum Hints {
    /// Looks at this agent's own state.
    LooksInside,
    /// Looks at what other agents published.
    LooksOutside,
    /// Adds to this agent's own state; a second call changes nothing more.
    Marks,
    /// Adds something outside, each time it is called.
    Sends,
    /// Removes something of this agent's own; a second call removes nothing more.
    Destroys,
    /// Ends something outside; a second call ends nothing more.
    Stops,
}

pub(super) fn of<T: Tool>() -> rmcp::model::Tool {
    let arguments = schema::<T::Arguments>(&SchemaSettings::draft2020_12());
    let answer = schema::<T::Answer>(&SchemaSettings::draft2020_12().for_serialize());
    rmcp::model::Tool::new(T::NAME, T::DESCRIPTION, arguments)
        .with_title(T::TITLE)
        .with_raw_output_schema(answer)
        .with_annotations(T::HINTS.annotations(T::TITLE))
}

impl Hints {
    fn annotations(self, title: &str) -> ToolAnnotations {
        let (read_only, destructive, idempotent, open_world) = match self {
            Self::LooksInside => (true, false, true, false),
            Self::LooksOutside => (true, false, true, true),
            Self::Marks => (false, false, true, false),
            Self::Sends => (false, false, false, true),
            Self::Destroys => (false, true, true, false),
            Self::Stops => (false, true, true, true),
        };
        ToolAnnotations::from_raw(
            Some(title.to_owned()),
            Some(read_only),
            Some(destructive),
            Some(idempotent),
            Some(open_world),
        )
    }
}

/// A member that need not be there is absent, never null, in answers; in arguments, null is taken and not asked for. Some clients know
/// schemas with one type only.
fn absent_instead_of_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            schema.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(Value::Array(variants)) = schema.get_mut("anyOf") {
        variants.retain(|variant| *variant != json!({"type": "null"}));
        if let [Value::Object(one)] = variants.as_slice() {
            let one = one.clone();
            schema.remove("anyOf");
            one.into_iter().for_each(|(name, value)| drop(schema.insert(name, value)));
        }
    }
}

fn schema<S: JsonSchema>(settings: &SchemaSettings) -> Arc<JsonObject> {
    let settings = settings.clone().with(|settings| settings.inline_subschemas = true);
    // Formats of Rust's number types are no formats of JSON Schema.
    let settings =
        settings.with_transform(RecursiveTransform(|schema: &mut Schema| drop(schema.remove("format"))));
    let settings = settings.with_transform(RecursiveTransform(absent_instead_of_null));
    let schema = settings.into_generator().into_root_schema_for::<S>().to_value();
    let Value::Object(mut schema) = schema else { return Arc::default() };
    // The name and documentation of a Rust type say nothing to a client.
    schema.remove("title");
    schema.remove("description");
    schema.entry("properties").or_insert_with(|| json!({}));
    Arc::new(schema)
}
