//! Prints objects, events and logs after a failed demo.

use super::{
    installation::{DEMO_NAMESPACE, OPERATOR_NAMESPACE},
    user_tools::UserTools,
};

/// Never fails: what cannot be read is said in its place.
pub(super) fn print(tools: &UserTools) {
    println!("\n== diagnosis");
    let questions = [
        format!("get m2a,pods,pvc,services --namespace {DEMO_NAMESPACE} --output wide"),
        format!("get events --namespace {DEMO_NAMESPACE} --sort-by=.lastTimestamp"),
        format!("get pods --namespace {OPERATOR_NAMESPACE} --output wide"),
        format!(
            "logs --namespace {OPERATOR_NAMESPACE} --selector app.kubernetes.io/component=operator --tail 40"
        ),
        format!("logs --namespace {DEMO_NAMESPACE} --selector app=alice --tail 20"),
        format!("logs --namespace {DEMO_NAMESPACE} --selector app=bob --tail 20"),
    ];
    for question in questions {
        match tools.kubectl(&question) {
            Ok(answer) => println!("{answer}"),
            Err(error) => println!("{error:#}"),
        }
    }
}
