//! Label selectors of lists and watches.

use serde_json::Value;

/// A parsed selector. All its requirements hold for a selected object.
#[derive(Debug, Clone, Default)]
pub(crate) struct LabelSelector(Vec<Requirement>);

#[derive(Debug, Clone)]
enum Requirement {
    Exists(String),
    Absent(String),
    Equals(String, String),
    Differs(String, String),
}

impl LabelSelector {
    pub(crate) fn parse(text: &str) -> Self {
        Self(text.split(',').filter(|part| !part.is_empty()).map(Requirement::parse).collect())
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|requirement| requirement.holds(object))
    }
}

impl Requirement {
    fn parse(text: &str) -> Self {
        let own = |word: &str| word.trim().trim_start_matches('=').to_owned();
        if let Some((key, value)) = text.split_once("!=") {
            return Self::Differs(own(key), own(value));
        }
        if let Some((key, value)) = text.split_once('=') {
            return Self::Equals(own(key), own(value));
        }
        match text.strip_prefix('!') {
            Some(key) => Self::Absent(own(key)),
            None => Self::Exists(own(text)),
        }
    }

    fn holds(&self, object: &Value) -> bool {
        let label = |key: &str| object["metadata"]["labels"].get(key).and_then(Value::as_str);
        match self {
            Self::Exists(key) => label(key).is_some(),
            Self::Absent(key) => label(key).is_none(),
            Self::Equals(key, value) => label(key) == Some(value),
            Self::Differs(key, value) => label(key) != Some(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_requirement_of_a_selector_must_hold() {
        let object = serde_json::json!({"metadata": {"labels": {"a.b/c": "d"}}});
        for (text, expected) in [
            ("", true),
            ("a.b/c", true),
            ("a.b/c=d", true),
            ("a.b/c==d,!e", true),
            ("a.b/c!=d", false),
            ("a.b/c=d,e=f", false),
            ("!a.b/c", false),
        ] {
            assert_eq!(LabelSelector::parse(text).matches(&object), expected, "{text}");
        }
    }
}
