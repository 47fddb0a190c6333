//! Describes a tool for `tools/list`. The schemas are JSON Schema 2020-12 without references, which
//! every client supports.

use std::sync::Arc;

use rmcp::model::JsonObject;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

use super::toolbox::Tool;

pub(super) fn describe<T: Tool>() -> rmcp::model::Tool {
    let arguments = schema::<T::Arguments>(&SchemaSettings::draft2020_12());
    let answer = schema::<T::Answer>(&SchemaSettings::draft2020_12().for_serialize());
    rmcp::model::Tool::new(T::NAME, T::DESCRIPTION, arguments)
        .with_title(T::TITLE)
        .with_raw_output_schema(answer)
        .with_annotations(T::HINTS.annotations(T::TITLE))
}

/// Removes null from the schema of optional members, because some clients support only one type for
/// a member. In answers an optional member is absent and never null; in arguments null is accepted
/// all the same.
fn absent_instead_of_null(schema: &mut Schema) {
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
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

/// Joins the lines of a description: their breaks are those of a doc comment in this source.
fn unwrap_description(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
}

fn schema<S: JsonSchema>(settings: &SchemaSettings) -> Arc<JsonObject> {
    let settings = settings.clone().with(|settings| settings.inline_subschemas = true);
    // The formats of Rust's number types are not formats of JSON Schema.
    let settings =
        settings.with_transform(RecursiveTransform(|schema: &mut Schema| drop(schema.remove("format"))));
    let settings = settings.with_transform(RecursiveTransform(absent_instead_of_null));
    let settings = settings.with_transform(RecursiveTransform(unwrap_description));
    let schema = settings.into_generator().into_root_schema_for::<S>().to_value();
    let Value::Object(mut schema) = schema else { return Arc::default() };
    // The name and documentation of the Rust type are not meant for clients.
    schema.remove("title");
    schema.remove("description");
    schema.entry("properties").or_insert_with(|| json!({}));
    Arc::new(schema)
}
