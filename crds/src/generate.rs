//! Generates the templates of the chart `msg2agent-crds` from the definitions.
//!
//! A template is the definition with one Helm block: the resource policy `keep`, unless the value
//! `keep` is false.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use crate::{SCHEMA_ANNOTATION, SCHEMA_VERSION};

const KEEP: &str = "    {{- if .Values.keep }}\n    helm.sh/resource-policy: keep\n    {{- end }}\n";
const LABELS: &str = "  labels:\n    app.kubernetes.io/part-of: msg2agent\n    \
                      app.kubernetes.io/managed-by: {{ .Release.Service | quote }}\n";
const HEADER: &str = "# Written by `cargo run -p msg2agent-crds --bin crdgen -- --write` from the types in crds/src. Do not edit.\n";

/// The file name and the content of each template.
///
/// # Errors
/// A definition that YAML cannot represent.
pub fn templates() -> Result<Vec<(String, String)>, serde_yaml_ng::Error> {
    crate::definitions().iter().map(|crd| Ok((file_name(crd), template(crd)?))).collect()
}

fn file_name(crd: &CustomResourceDefinition) -> String {
    format!("{}.yaml", crd.spec.names.plural)
}

fn template(crd: &CustomResourceDefinition) -> Result<String, serde_yaml_ng::Error> {
    let name = crd.metadata.name.as_deref().unwrap_or_default();
    let spec = escape(&indent(&serde_yaml_ng::to_string(&crd.spec)?));
    Ok(format!(
        "{HEADER}apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: {name}\n{LABELS}  \
         annotations:\n    {SCHEMA_ANNOTATION}: {SCHEMA_VERSION}\n{KEEP}spec:\n{spec}"
    ))
}

fn indent(yaml: &str) -> String {
    yaml.lines().map(|line| format!("  {line}\n")).collect()
}

/// Escapes double braces in descriptions and patterns, which Helm would interpret.
fn escape(yaml: &str) -> String {
    yaml.replace("{{", "{{ \"{{\" }}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_charts_templates_are_current() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/msg2agent-crds/templates");
        for (name, text) in templates().unwrap() {
            let found = std::fs::read_to_string(format!("{folder}/{name}")).unwrap_or_default();
            assert!(found == text, "{name} is stale: cargo run -p msg2agent-crds --bin crdgen -- --write");
        }
    }

    #[test]
    fn every_field_has_a_description() {
        for crd in crate::definitions() {
            let schema = serde_json::to_value(&crd.spec.versions[0].schema).unwrap();
            let properties = &schema["openAPIV3Schema"]["properties"];
            for part in ["spec", "status"] {
                report_undescribed(&properties[part], part, &mut |path| panic!("{path} has no description"));
            }
        }
    }

    /// Calls `report` for each property without a description. Properties that Kubernetes defines
    /// are skipped.
    fn report_undescribed(schema: &serde_json::Value, path: &str, report: &mut dyn FnMut(&str)) {
        let Some(properties) = schema["properties"].as_object() else { return };
        for (name, property) in properties {
            let path = format!("{path}.{name}");
            if property["description"].as_str().is_none_or(str::is_empty) {
                report(&path);
            }
            report_undescribed(property, &path, report);
            report_undescribed(&property["items"], &path, report);
        }
    }
}
