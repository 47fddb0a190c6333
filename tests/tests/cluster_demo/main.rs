//! Tests the first command of the README: the demo as a program, on a cluster that it starts.

mod demo;
mod killed_cluster;
