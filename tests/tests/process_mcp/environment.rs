//! Shows that endpoints, a gateway and their clients do not follow the environment to a proxy.

use msg2agent_tests::poisoned_environment::run_test_poisoned;

#[test]
fn the_cluster_and_the_proxies_of_the_environment_are_not_used() {
    run_test_poisoned("gateway::one_url_is_each_agent_to_its_own_key").unwrap();
}
