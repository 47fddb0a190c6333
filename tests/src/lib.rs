//! The harness of the suites: namespaces and custom resources of a test, port forwards into a
//! cluster, a browser, an OAuth client, other people's MCP clients, faults between processes,
//! namespaces of the kernel, and checks of logs and memory.

pub mod browser;
pub mod chromium;
pub mod claude_tool_calls;
pub mod custom_resources;
pub mod fault_proxy;
pub mod installed_operator;
pub mod log_check;
pub mod mcp_clients;
pub mod namespace;
pub mod oauth_client;
pub mod operator_replicas;
pub mod own_namespaces;
pub mod poisoned_environment;
pub mod process_memory;
pub mod protocol_clients;
pub mod relay_admin;
pub mod relay_answer;
pub mod relay_port_forward;
pub mod service_port_forward;
pub mod test_cluster;
