//! The environment variables of the settings that the endpoint and the gateway share.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

/// The names of the variables for one role of the program.
pub trait Variables: fmt::Debug + Clone + Send + Sync + 'static {
    const DEFAULT_LISTEN: SocketAddr;
    const LISTEN: &'static str;
    const TLS_CERT: &'static str;
    const TLS_KEY: &'static str;
    const INSECURE_PLAINTEXT: &'static str;
    const ALLOWED_HOSTS: &'static str;
    const ALLOWED_ORIGINS: &'static str;
    const ADDRESS_SHARE_PERCENT: &'static str;
    const ADMIN_LISTEN: &'static str;
    const DRAIN_GRACE_SECONDS: &'static str;
    const LOG_FORMAT: &'static str;
    const LOG_FILTER: &'static str;
    const OTLP_ENDPOINT: &'static str;
}

/// The endpoint of one agent.
#[derive(Debug, Clone)]
pub enum EndpointVariables {}

impl Variables for EndpointVariables {
    const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8443);
    const LISTEN: &'static str = "MSG2AGENT_MCP_LISTEN";
    const TLS_CERT: &'static str = "MSG2AGENT_MCP_TLS_CERT";
    const TLS_KEY: &'static str = "MSG2AGENT_MCP_TLS_KEY";
    const INSECURE_PLAINTEXT: &'static str = "MSG2AGENT_MCP_INSECURE_PLAINTEXT";
    const ALLOWED_HOSTS: &'static str = "MSG2AGENT_MCP_ALLOWED_HOSTS";
    const ALLOWED_ORIGINS: &'static str = "MSG2AGENT_MCP_ALLOWED_ORIGINS";
    const ADDRESS_SHARE_PERCENT: &'static str = "MSG2AGENT_MCP_ADDRESS_SHARE_PERCENT";
    const ADMIN_LISTEN: &'static str = "MSG2AGENT_MCP_ADMIN_LISTEN";
    const DRAIN_GRACE_SECONDS: &'static str = "MSG2AGENT_MCP_DRAIN_GRACE_SECONDS";
    const LOG_FORMAT: &'static str = "MSG2AGENT_MCP_LOG_FORMAT";
    const LOG_FILTER: &'static str = "MSG2AGENT_MCP_LOG_FILTER";
    const OTLP_ENDPOINT: &'static str = "MSG2AGENT_MCP_OTLP_ENDPOINT";
}

/// The gateway of a relay.
#[derive(Debug, Clone)]
pub enum GatewayVariables {}

impl Variables for GatewayVariables {
    const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8444);
    const LISTEN: &'static str = "MSG2AGENT_GATEWAY_LISTEN";
    const TLS_CERT: &'static str = "MSG2AGENT_GATEWAY_TLS_CERT";
    const TLS_KEY: &'static str = "MSG2AGENT_GATEWAY_TLS_KEY";
    const INSECURE_PLAINTEXT: &'static str = "MSG2AGENT_GATEWAY_INSECURE_PLAINTEXT";
    const ALLOWED_HOSTS: &'static str = "MSG2AGENT_GATEWAY_ALLOWED_HOSTS";
    const ALLOWED_ORIGINS: &'static str = "MSG2AGENT_GATEWAY_ALLOWED_ORIGINS";
    const ADDRESS_SHARE_PERCENT: &'static str = "MSG2AGENT_GATEWAY_ADDRESS_SHARE_PERCENT";
    const ADMIN_LISTEN: &'static str = "MSG2AGENT_GATEWAY_ADMIN_LISTEN";
    const DRAIN_GRACE_SECONDS: &'static str = "MSG2AGENT_GATEWAY_DRAIN_GRACE_SECONDS";
    const LOG_FORMAT: &'static str = "MSG2AGENT_GATEWAY_LOG_FORMAT";
    const LOG_FILTER: &'static str = "MSG2AGENT_GATEWAY_LOG_FILTER";
    const OTLP_ENDPOINT: &'static str = "MSG2AGENT_GATEWAY_OTLP_ENDPOINT";
}
