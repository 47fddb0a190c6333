//! Simulation of the operator: the real watches, caches, queue, workers and election against models
//! of an API server and of relays, in one process, on a virtual clock, with seeded faults.

#![expect(dead_code, reason = "the whole operator is not simulated yet")]

mod api_server;
mod cluster_controllers;
mod model_clock;
mod model_relay;
mod network;
