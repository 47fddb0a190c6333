//! Shows that a relay process and its clients do not follow the environment to a proxy.

use msg2agent_tests::poisoned_environment::run_test_poisoned;

#[test]
fn the_cluster_and_the_proxies_of_the_environment_are_not_used() {
    run_test_poisoned("identity::a_second_key_registering_alices_did_is_refused").unwrap();
}
