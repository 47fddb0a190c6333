//! The result of one step of the checks.

use std::fmt;

use serde::Serialize;

/// The steps, in the order in which a client takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    /// The Agent object in Kubernetes, before any step of a client.
    Agent,
    Name,
    Port,
    Tls,
    Challenge,
    Resource,
    Issuer,
    Registration,
    Authorization,
    Token,
    Discover,
    Tools,
    Call,
}

/// The component at fault. Whoever runs it has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Component {
    /// This machine, or the token that is used.
    Client,
    Network,
    Endpoint,
    AuthorizationServer,
    Relay,
    /// The objects in Kubernetes.
    Cluster,
    Operator,
}

/// A failed step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Fault {
    pub(super) side: Component,
    /// What was observed, without secrets.
    pub(super) cause: String,
    /// What to do about it.
    pub(super) remedy: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub(super) enum Verdict {
    Passed { saw: String },
    Failed(Fault),
    Skipped { why: String },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) step: Step,
    #[serde(flatten)]
    pub(super) verdict: Verdict,
}

impl Fault {
    pub(super) fn new(side: Component, cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { side, cause: cause.into(), remedy: remedy.into() }
    }
}

impl Finding {
    pub(super) const fn is_fault(&self) -> bool {
        matches!(self.verdict, Verdict::Failed(_))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Agent => "agent",
            Self::Name => "name",
            Self::Port => "port",
            Self::Tls => "tls",
            Self::Challenge => "challenge",
            Self::Resource => "resource",
            Self::Issuer => "issuer",
            Self::Registration => "registration",
            Self::Authorization => "authorization",
            Self::Token => "token",
            Self::Discover => "discover",
            Self::Tools => "tools",
            Self::Call => "call",
        })
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "this client",
            Self::Network => "the network",
            Self::Endpoint => "the MCP endpoint",
            Self::AuthorizationServer => "the authorization server",
            Self::Relay => "the relay",
            Self::Cluster => "the objects in Kubernetes",
            Self::Operator => "the operator",
        })
    }
}
