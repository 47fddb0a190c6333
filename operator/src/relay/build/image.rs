//! Chooses the image and the pull policy of a relay. Pure.

use crds::Relay;

use crate::settings::Settings;

/// The relay image of the operator's settings, with the parts that the Relay overrides.
pub(super) fn reference(relay: &Relay, settings: &Settings) -> String {
    let Some(overrides) = &relay.spec.image else { return settings.relay_image.clone() };
    let (repository, reference) = split_image(&settings.relay_image);
    let repository = overrides.repository.as_deref().unwrap_or(repository);
    match (&overrides.digest, &overrides.tag) {
        (Some(digest), _) => format!("{repository}@{digest}"),
        (None, Some(tag)) => format!("{repository}:{tag}"),
        (None, None) => format!("{repository}{reference}"),
    }
}

/// Splits an image reference into the repository, and the tag or digest with its separator. A colon
/// before the last slash belongs to a port.
fn split_image(image: &str) -> (&str, &str) {
    let slash = image.rfind('/').map_or(0, |at| at + 1);
    let at = image
        .find('@')
        .or_else(|| image.get(slash..).and_then(|last| last.find(':')).map(|colon| slash + colon));
    at.and_then(|at| image.split_at_checked(at)).unwrap_or((image, ""))
}

pub(super) fn pull_policy(relay: &Relay, settings: &Settings) -> &'static str {
    let policy = relay.spec.image.as_ref().and_then(|image| image.pull_policy);
    policy.unwrap_or(settings.relay_image_pull_policy).as_str()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::relay::build::tests::relay;

    fn image(parts: serde_json::Value) -> String {
        let settings = Settings::parse_from(["operator", "--relay-image", "registry.test:5000/relay:1.2"]);
        reference(&relay(serde_json::json!({"domain": "a.example", "image": parts})), &settings)
    }

    #[test]
    fn the_image_is_the_operators_with_the_parts_a_relay_names() {
        assert_eq!(image(serde_json::json!(null)), "registry.test:5000/relay:1.2");
        assert_eq!(image(serde_json::json!({"tag": "2.0"})), "registry.test:5000/relay:2.0");
        assert_eq!(image(serde_json::json!({"repository": "other/relay"})), "other/relay:1.2");
        assert_eq!(image(serde_json::json!({"digest": "sha256:aa"})), "registry.test:5000/relay@sha256:aa");
        assert_eq!(split_image("registry.test:5000/relay"), ("registry.test:5000/relay", ""));
    }
}
