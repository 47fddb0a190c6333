//! Builds the gateway's HorizontalPodAutoscaler, which scales by CPU. Pure.

use crds::{Relay, name};
use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricSpec,
    MetricTarget, ResourceMetricSource,
};
use kube::ResourceExt as _;

use super::metadata::metadata;

/// The autoscaler of a Relay that gives a range: `max` is above `replicas.min`.
#[must_use]
pub fn autoscaler(relay: &Relay, max: i32) -> HorizontalPodAutoscaler {
    let replicas = &relay.spec.gateway.replicas;
    let cpu = ResourceMetricSource {
        name: "cpu".into(),
        target: MetricTarget {
            type_: "Utilization".into(),
            average_utilization: Some(replicas.target_cpu_utilization_percentage),
            ..MetricTarget::default()
        },
    };
    HorizontalPodAutoscaler {
        metadata: metadata(relay),
        spec: Some(HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".into()),
                kind: "Deployment".into(),
                name: name::relay_gateway(&relay.name_any()),
            },
            min_replicas: Some(replicas.min),
            max_replicas: max,
            metrics: Some(vec![MetricSpec {
                type_: "Resource".into(),
                resource: Some(cpu),
                ..MetricSpec::default()
            }]),
            behavior: None,
        }),
        status: None,
    }
}
