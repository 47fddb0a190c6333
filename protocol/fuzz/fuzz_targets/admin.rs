//! Fuzzes the bodies of the relay's admin API, in both directions.
#![no_main]

use libfuzzer_sys::fuzz_target;
use msg2agent_protocol::admin::{AgentSpec, AgentView, Applied, DeclaredInvitation, Invitation, InvitationSpec, InvitationView, KeySpec, KeyView, McpSpec, Page, Problem, Suspension, TenantSpec, TenantView, Version};
use msg2agent_protocol::strict_json::from_slice;

fuzz_target!(|bytes: &[u8]| {
    drop(from_slice::<TenantSpec>(bytes));
    drop(from_slice::<AgentSpec>(bytes));
    drop(from_slice::<KeySpec>(bytes));
    drop(from_slice::<McpSpec>(bytes));
    drop(from_slice::<InvitationSpec>(bytes));
    drop(from_slice::<DeclaredInvitation>(bytes));
    drop(from_slice::<Invitation>(bytes));
    drop(from_slice::<Page<InvitationView>>(bytes));
    let _ = from_slice::<Suspension>(bytes);
    drop(from_slice::<Page<TenantView>>(bytes));
    drop(from_slice::<Page<AgentView>>(bytes));
    drop(from_slice::<Page<KeyView>>(bytes));
    drop(from_slice::<Problem>(bytes));
    drop(from_slice::<Version>(bytes));
    let _ = from_slice::<Applied>(bytes);
});
