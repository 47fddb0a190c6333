//! Placeholder until the SDK is there.
