//! The user and the groups of the processes in the pods that the operator makes. Pure.

use std::fmt;
use std::str::FromStr;

use k8s_openapi::api::core::v1::{PodSecurityContext, SeccompProfile};

/// The default, which is the user of the images. Not root, and not used by anything else.
const DEFAULT_USER: u32 = 65532;
const PLATFORM: &str = "Platform";

/// Who chooses user, group and `fsGroup`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodUser {
    /// This id is the user, the group and the `fsGroup`.
    Fixed(u32),
    /// The pods name none. An admission plugin of the platform sets them, as on OpenShift.
    Platform,
}

impl Default for PodUser {
    fn default() -> Self {
        Self::Fixed(DEFAULT_USER)
    }
}

impl FromStr for PodUser {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == PLATFORM {
            return Ok(Self::Platform);
        }
        let id = text.parse().ok().filter(|id| *id > 0);
        id.map(Self::Fixed).ok_or("the user of pods must be a number above 0, or Platform")
    }
}

impl fmt::Display for PodUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(id) => id.fmt(f),
            Self::Platform => f.write_str(PLATFORM),
        }
    }
}

/// The pod's part of the restricted Pod Security Standard.
#[must_use]
pub fn pod_security(user: PodUser) -> PodSecurityContext {
    let id = match user {
        PodUser::Fixed(id) => Some(i64::from(id)),
        PodUser::Platform => None,
    };
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: id,
        run_as_group: id,
        fs_group: id,
        fs_group_change_policy: Some("OnRootMismatch".into()),
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".into(), localhost_profile: None }),
        ..PodSecurityContext::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> [Option<i64>; 3] {
        let security = pod_security(text.parse().unwrap());
        assert_eq!(security.run_as_non_root, Some(true));
        assert_eq!(security.seccomp_profile.unwrap().type_, "RuntimeDefault");
        [security.run_as_user, security.run_as_group, security.fs_group]
    }

    #[test]
    fn a_fixed_user_is_the_group_too_and_the_platform_decides_when_asked_to() {
        assert_eq!(ids("65532"), [Some(65532); 3]);
        assert_eq!(ids("1000660000"), [Some(1_000_660_000); 3]);
        assert_eq!(ids("Platform"), [None; 3]);
        assert_eq!(PodUser::default(), PodUser::Fixed(65532));
    }

    #[test]
    fn root_and_words_are_refused() {
        for text in ["0", "", "root", "-1", "platform", "4294967296"] {
            assert!(text.parse::<PodUser>().is_err(), "{text}");
        }
    }
}
