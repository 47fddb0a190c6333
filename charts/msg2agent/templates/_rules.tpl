{{/* Rules for the namespaces that the operator works in. */}}

{{- define "msg2agent.watchedRules" -}}
# `patch` is for the operator's finalizers.
- apiGroups: [msg2agent.xyz]
  resources: [relays, tenants, agents]
  verbs: [get, list, watch, patch]
# A status is replaced whole, with a resourceVersion.
- apiGroups: [msg2agent.xyz]
  resources: [relays/status, tenants/status, agents/status]
  verbs: [update]
# Contents are read one by one. Lists and watches request metadata only, which RBAC cannot express.
# There is no `delete`: Secrets are deleted with their owners.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, update]
- apiGroups: [""]
  resources: [services, serviceaccounts, configmaps]
  verbs: [get, list, watch, create, patch, delete]
# A volume that shall be larger is expanded by its claim.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, patch]
- apiGroups: [apps]
  resources: [statefulsets, deployments]
  verbs: [get, list, watch, create, patch, delete]
# For MCP gateways.
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
# The addresses of ready relay pods.
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
