//! Shows that helm does not follow the environment to a cluster or a proxy.

use msg2agent_tests::poisoned_environment::run_test_poisoned;

#[test]
fn the_cluster_and_the_proxies_of_the_environment_are_not_used() {
    run_test_poisoned("golden::both_helms_find_nothing_wrong").unwrap();
}
