//! End-to-end suites on a real cluster. It is the one MSG2AGENT_TEST_KUBECONFIG names, else the one `cluster up` chooses in
//! `target/test-cluster`, which stays up for the next run (`cluster --folder target/test-cluster down` ends it).

mod cluster;
mod definitions;
mod shared;
