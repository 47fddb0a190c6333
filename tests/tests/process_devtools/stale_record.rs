//! Shows that the program `cluster` does not take the record of an ended cluster for a running one,
//! and removes it.

use std::path::Path;
use std::process::{Command, Output};

use devtools::cluster::folder::ClusterFolder;
use devtools::cluster::network::Network;
use devtools::cluster::process_identity::ProcessIdentity;
use devtools::cluster::record::Record;
use devtools::programs;

#[test]
fn the_record_of_a_cluster_that_has_ended_is_no_running_cluster_and_is_removed() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = ClusterFolder::at(temporary.path()).unwrap();
    let first = ended_process();
    let network = Network::candidates().last().unwrap();
    folder
        .write_record(&Record::BuiltIn { first, network, forwarder: Some(first), etcd_fsync: false })
        .unwrap();
    let status = cluster(temporary.path(), "status");
    assert!(!status.status.success());
    let text = String::from_utf8_lossy(&status.stderr);
    assert!(text.contains("no cluster runs"), "{text}");
    let down = cluster(temporary.path(), "down");
    assert!(down.status.success(), "{down:?}");
    assert_eq!(folder.record().unwrap(), None);
}

#[test]
fn a_record_that_cannot_be_read_is_named_and_removed() {
    let temporary = tempfile::tempdir().unwrap();
    let record = temporary.path().join("cluster.json");
    std::fs::write(&record, "{\"kind\": \"existing\", \"kubeconfig\": null").unwrap();
    let status = cluster(temporary.path(), "status");
    let text = String::from_utf8_lossy(&status.stderr);
    assert!(text.contains("cluster.json is ignored") && text.contains("no cluster runs"), "{text}");
    assert!(cluster(temporary.path(), "down").status.success());
    assert!(!record.exists());
}

fn cluster(folder: &Path, action: &str) -> Output {
    let mut command = Command::new(programs::path("cluster").unwrap());
    command.arg("--folder").arg(folder).arg(action).output().unwrap()
}

fn ended_process() -> ProcessIdentity {
    let mut child = Command::new("sleep").arg("600").spawn().unwrap();
    let identity = ProcessIdentity::of(child.id()).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    identity
}
