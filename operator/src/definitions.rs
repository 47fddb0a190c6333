//! Checks that the custom resource definitions of the cluster are those of this operator or newer.
//!
//! The API server drops members that a definition does not know, without an error. An operator with
//! older definitions would therefore lose what it writes.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client, ResourceExt as _};

use crate::error::{Error, Result};

/// What the definitions of the cluster mean for this operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Definitions {
    /// All are there, and none is older.
    Fit,
    /// These do not exist.
    Missing(Vec<String>),
    /// These are older, or do not say how old they are.
    Older(Vec<String>),
    /// The operator may not read them.
    Unreadable,
}

/// Reads the definitions.
///
/// # Errors
/// The API server does not answer, or refuses for another reason than a missing right.
pub async fn read(client: &Client) -> Result<Definitions> {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    let mut found = Vec::new();
    for name in names() {
        match api.get_opt(&name).await {
            Ok(definition) => found.push((name, definition)),
            Err(kube::Error::Api(status)) if status.code == 403 => return Ok(Definitions::Unreadable),
            Err(error) => return Err(Error::cluster(format!("read the definition {name}"))(error)),
        }
    }
    Ok(judge(&found, crds::SCHEMA_VERSION))
}

/// The names of the definitions.
#[must_use]
pub fn names() -> Vec<String> {
    crds::definitions().iter().map(|definition| definition.name_any()).collect()
}

fn judge(found: &[(String, Option<CustomResourceDefinition>)], own: &str) -> Definitions {
    let named = |fits: &dyn Fn(Option<&CustomResourceDefinition>) -> bool| -> Vec<String> {
        let unfit = found.iter().filter(|(_, definition)| !fits(definition.as_ref()));
        unfit.map(|(name, _)| name.clone()).collect()
    };
    let missing = named(&|definition| definition.is_some());
    if !missing.is_empty() {
        return Definitions::Missing(missing);
    }
    let is_new_enough = |definition: &CustomResourceDefinition| {
        let found = definition.annotations().get(crds::SCHEMA_ANNOTATION);
        found.and_then(|text| release(text)).is_some_and(|found| Some(found) >= release(own))
    };
    let older = named(&|definition| definition.is_some_and(is_new_enough));
    if older.is_empty() { Definitions::Fit } else { Definitions::Older(older) }
}

/// The numbers of a version such as `1.2.3` or `1.2.3-rc.1`.
fn release(version: &str) -> Option<[u64; 3]> {
    let numbers = version.split(['-', '+']).next()?;
    let mut parts = numbers.split('.').map(|part| part.parse().ok());
    let release = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(release)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(version: Option<&str>) -> Vec<(String, Option<CustomResourceDefinition>)> {
        let mut definitions = crds::definitions();
        for definition in &mut definitions {
            definition.metadata.annotations =
                version.map(|version| [(crds::SCHEMA_ANNOTATION.to_owned(), version.to_owned())].into());
        }
        definitions.into_iter().map(|definition| (definition.name_any(), Some(definition))).collect()
    }

    #[test]
    fn definitions_of_this_or_a_later_version_fit() {
        for version in ["1.2.3", "1.2.4", "1.10.0", "2.0.0", "1.2.3-rc.1"] {
            assert_eq!(judge(&found(Some(version)), "1.2.3"), Definitions::Fit, "{version}");
        }
    }

    #[test]
    fn older_definitions_and_those_without_a_version_are_named() {
        for version in [Some("1.2.2"), Some("0.9.9"), Some("nonsense"), Some("1.2"), None] {
            assert_eq!(judge(&found(version), "1.2.3"), Definitions::Older(names()), "{version:?}");
        }
        let mut one_older = found(Some("1.2.3"));
        one_older[1] = found(Some("1.2.2")).remove(1);
        assert_eq!(judge(&one_older, "1.2.3"), Definitions::Older(vec![names().remove(1)]));
    }

    #[test]
    fn a_missing_definition_is_named() {
        let mut definitions = found(Some("0.0.1"));
        definitions[2].1 = None;
        assert_eq!(judge(&definitions, "1.2.3"), Definitions::Missing(vec![names().remove(2)]));
    }
}
