//! Simulation of the operator: the real watches, caches, queue, workers and election against models
//! of an API server and of relays, in one process, on a virtual clock, with seeded faults.

#![expect(dead_code, reason = "the whole operator is not simulated yet")]

pub(crate) mod api_server;
pub(crate) mod model_clock;
pub(crate) mod network;
