//! Names every kind of error, with its code in JSON-RPC, its status in HTTP and its reason in
//! `google.rpc.ErrorInfo`, as section 5.4 of the specification 1.0.1 maps them.

/// The kind of an error. The first nine are the specification's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    TaskNotFound,
    TaskNotCancelable,
    PushNotificationNotSupported,
    UnsupportedOperation,
    ContentTypeNotSupported,
    InvalidAgentResponse,
    ExtendedAgentCardNotConfigured,
    ExtensionSupportRequired,
    VersionNotSupported,
    /// The body is no JSON, or JSON that two programs could read differently.
    Parse,
    /// The body is no request of JSON-RPC.
    InvalidRequest,
    /// No operation has this name or path.
    MethodNotFound,
    /// The path is known, and another HTTP method is needed.
    HttpMethodNotAllowed,
    InvalidParams,
    Internal,
    /// The caller did not say who it is, or could not prove it.
    Unauthenticated,
    /// The caller is known and may not do this.
    PermissionDenied,
    /// The URL names no agent of this gateway.
    AgentNotFound,
    /// The caller is over a rate or a quota, or the gateway is at a limit.
    ResourceExhausted,
    /// The body is longer than the limit.
    PayloadTooLarge,
    /// The body did not arrive in time.
    RequestTimeout,
    /// The agent, the relay or the store cannot be reached now.
    Unavailable,
}

/// A code of `google.rpc.Status` with its HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RpcStatus {
    pub http: u16,
    pub name: &'static str,
}

impl RpcStatus {
    const fn new(http: u16, name: &'static str) -> Self {
        Self { http, name }
    }
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: [Self; 22] = [
        Self::TaskNotFound,
        Self::TaskNotCancelable,
        Self::PushNotificationNotSupported,
        Self::UnsupportedOperation,
        Self::ContentTypeNotSupported,
        Self::InvalidAgentResponse,
        Self::ExtendedAgentCardNotConfigured,
        Self::ExtensionSupportRequired,
        Self::VersionNotSupported,
        Self::Parse,
        Self::InvalidRequest,
        Self::MethodNotFound,
        Self::HttpMethodNotAllowed,
        Self::InvalidParams,
        Self::Internal,
        Self::Unauthenticated,
        Self::PermissionDenied,
        Self::AgentNotFound,
        Self::ResourceExhausted,
        Self::PayloadTooLarge,
        Self::RequestTimeout,
        Self::Unavailable,
    ];

    /// The code in JSON-RPC. What neither JSON-RPC nor A2A names is -32000, told apart by reason.
    #[must_use]
    pub const fn jsonrpc_code(self) -> i32 {
        match self {
            Self::TaskNotFound => -32001,
            Self::TaskNotCancelable => -32002,
            Self::PushNotificationNotSupported => -32003,
            Self::UnsupportedOperation => -32004,
            Self::ContentTypeNotSupported => -32005,
            Self::InvalidAgentResponse => -32006,
            Self::ExtendedAgentCardNotConfigured => -32007,
            Self::ExtensionSupportRequired => -32008,
            Self::VersionNotSupported => -32009,
            Self::Parse => -32700,
            Self::InvalidRequest => -32600,
            Self::MethodNotFound => -32601,
            Self::InvalidParams => -32602,
            Self::Internal => -32603,
            Self::HttpMethodNotAllowed
            | Self::Unauthenticated
            | Self::PermissionDenied
            | Self::AgentNotFound
            | Self::ResourceExhausted
            | Self::PayloadTooLarge
            | Self::RequestTimeout
            | Self::Unavailable => -32000,
        }
    }

    /// The status in HTTP+JSON.
    #[must_use]
    pub const fn rpc_status(self) -> RpcStatus {
        match self {
            Self::TaskNotFound | Self::AgentNotFound | Self::MethodNotFound => {
                RpcStatus::new(404, "NOT_FOUND")
            }
            Self::TaskNotCancelable
            | Self::PushNotificationNotSupported
            | Self::UnsupportedOperation
            | Self::ExtendedAgentCardNotConfigured
            | Self::ExtensionSupportRequired
            | Self::VersionNotSupported => RpcStatus::new(400, "FAILED_PRECONDITION"),
            Self::ContentTypeNotSupported | Self::Parse | Self::InvalidRequest | Self::InvalidParams => {
                RpcStatus::new(400, "INVALID_ARGUMENT")
            }
            Self::InvalidAgentResponse | Self::Internal => RpcStatus::new(500, "INTERNAL"),
            Self::HttpMethodNotAllowed => RpcStatus::new(405, "UNIMPLEMENTED"),
            Self::Unauthenticated => RpcStatus::new(401, "UNAUTHENTICATED"),
            Self::PermissionDenied => RpcStatus::new(403, "PERMISSION_DENIED"),
            Self::ResourceExhausted => RpcStatus::new(429, "RESOURCE_EXHAUSTED"),
            Self::PayloadTooLarge => RpcStatus::new(413, "INVALID_ARGUMENT"),
            Self::RequestTimeout => RpcStatus::new(408, "DEADLINE_EXCEEDED"),
            Self::Unavailable => RpcStatus::new(503, "UNAVAILABLE"),
        }
    }

    /// The reason in `google.rpc.ErrorInfo`.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TaskNotFound => "TASK_NOT_FOUND",
            Self::TaskNotCancelable => "TASK_NOT_CANCELABLE",
            Self::PushNotificationNotSupported => "PUSH_NOTIFICATION_NOT_SUPPORTED",
            Self::UnsupportedOperation => "UNSUPPORTED_OPERATION",
            Self::ContentTypeNotSupported => "CONTENT_TYPE_NOT_SUPPORTED",
            Self::InvalidAgentResponse => "INVALID_AGENT_RESPONSE",
            Self::ExtendedAgentCardNotConfigured => "EXTENDED_AGENT_CARD_NOT_CONFIGURED",
            Self::ExtensionSupportRequired => "EXTENSION_SUPPORT_REQUIRED",
            Self::VersionNotSupported => "VERSION_NOT_SUPPORTED",
            Self::Parse => "PARSE_ERROR",
            Self::InvalidRequest => "INVALID_REQUEST",
            Self::MethodNotFound => "METHOD_NOT_FOUND",
            Self::HttpMethodNotAllowed => "HTTP_METHOD_NOT_ALLOWED",
            Self::InvalidParams => "INVALID_PARAMS",
            Self::Internal => "INTERNAL_ERROR",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::AgentNotFound => "AGENT_NOT_FOUND",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::RequestTimeout => "REQUEST_TIMEOUT",
            Self::Unavailable => "UNAVAILABLE",
        }
    }

    /// The domain of the reason: the specification's for what it or JSON-RPC defines, ours else.
    #[must_use]
    pub const fn domain(self) -> &'static str {
        if self.is_ours() { "msg2agent.xyz" } else { "a2a-protocol.org" }
    }

    /// Whether neither JSON-RPC nor A2A names it. In JSON-RPC it then shows in the HTTP status too.
    #[must_use]
    pub const fn is_ours(self) -> bool {
        self.jsonrpc_code() == -32000
    }
}
