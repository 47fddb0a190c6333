//! Builds a tenant's body for the relay's admin API.

use crds::Tenant;
use protocol::admin;

use crate::deletion_policy::deletion_policy;

pub(super) fn admin_spec(tenant: &Tenant) -> admin::TenantSpec {
    admin::TenantSpec {
        display_name: tenant.spec.display_name.clone().unwrap_or_default(),
        suspended: tenant.spec.suspend,
        // The operator enforces the limit, and keeps the oldest Agents. The relay would keep those
        // it got first.
        agents_max: None,
        deletion_policy: Some(deletion_policy(tenant.spec.deletion_policy)),
    }
}
