//! The policy of a deletion, as an option of the commands that delete.

use clap::{Args, ValueEnum};
use protocol::admin::DeletionPolicy;

#[derive(Args)]
pub(super) struct DeletionArgs {
    /// What stays. By default, the policy of the tenant or agent holds, which is to purge unless it
    /// was declared otherwise.
    #[arg(long, value_enum)]
    policy: Option<PolicyName>,
}

#[derive(Clone, Copy, ValueEnum)]
enum PolicyName {
    /// Records, root keys and mailboxes stay for whoever declares the agents again.
    Retain,
    /// Nothing stays.
    Purge,
}

impl DeletionArgs {
    /// The path of a deletion with this policy.
    pub(super) fn path(&self, of: &str) -> String {
        let policy = match self.policy {
            None => return of.to_owned(),
            Some(PolicyName::Retain) => DeletionPolicy::Retain,
            Some(PolicyName::Purge) => DeletionPolicy::Purge,
        };
        format!("{of}?policy={}", policy.as_query())
    }
}
