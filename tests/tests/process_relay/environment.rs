//! What this suite starts does not follow the environment to another cluster or to a proxy: a relay
//! process and its clients.

use msg2agent_tests::poisoned_environment::run_test_poisoned;

#[test]
fn the_cluster_and_the_proxies_of_the_environment_are_not_used() {
    run_test_poisoned("identity::a_second_key_registering_alices_did_is_refused").unwrap();
}
