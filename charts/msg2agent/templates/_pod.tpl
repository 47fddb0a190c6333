{{/* Parts of the operator's pods. */}}

{{- define "msg2agent.environment" -}}
- name: MSG2AGENT_OPERATOR_NAMESPACE
  valueFrom:
    fieldRef: {fieldPath: metadata.namespace}
- name: MSG2AGENT_OPERATOR_POD_NAME
  valueFrom:
    fieldRef: {fieldPath: metadata.name}
{{- $extra := list }}
{{- range .Values.extraEnv }}{{ $extra = append $extra .name }}{{ end }}
{{- if not (has "SSL_CERT_FILE" $extra) }}
# The image contains no certificate authorities, and a TLS client does not start without any. The
# cluster's own authority is enough, because the operator connects only to the API server. extraEnv
# can set another file.
- name: SSL_CERT_FILE
  value: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt
{{- end }}
- name: MSG2AGENT_OPERATOR_LEASE_NAME
  value: {{ include "msg2agent.lease" . }}
- name: MSG2AGENT_OPERATOR_ADMIN_LISTEN
  value: "[::]:8081"
- name: MSG2AGENT_OPERATOR_RELAY_IMAGE
  value: {{ include "msg2agent.image" (list $ .Values.relay.image) }}
- name: MSG2AGENT_OPERATOR_RELAY_IMAGE_PULL_POLICY
  value: {{ .Values.relay.image.pullPolicy }}
- name: MSG2AGENT_OPERATOR_MCP_SERVER_IMAGE
  value: {{ include "msg2agent.image" (list $ .Values.mcpServer.image) }}
- name: MSG2AGENT_OPERATOR_MCP_SERVER_IMAGE_PULL_POLICY
  value: {{ .Values.mcpServer.image.pullPolicy }}
{{- with .Values.workloadImagePullSecrets }}
- name: MSG2AGENT_OPERATOR_IMAGE_PULL_SECRETS
  value: {{ join "," . | quote }}
{{- end }}
- name: MSG2AGENT_OPERATOR_POD_USER
  value: {{ include "msg2agent.podUser" . | quote }}
{{- with .Values.watchNamespaces }}
- name: MSG2AGENT_OPERATOR_WATCH_NAMESPACES
  value: {{ join "," . | quote }}
{{- end }}
{{- with .Values.networkPolicy.monitoringNamespaces }}
- name: MSG2AGENT_OPERATOR_MONITORING_NAMESPACES
  value: {{ join "," . | quote }}
{{- end }}
{{- with .Values.relay.httpsProxy }}
- name: MSG2AGENT_OPERATOR_RELAY_HTTPS_PROXY
  value: {{ . | quote }}
{{- end }}
{{- with .Values.relay.noProxy }}
- name: MSG2AGENT_OPERATOR_RELAY_NO_PROXY
  value: {{ join "," . | quote }}
{{- end }}
- name: MSG2AGENT_OPERATOR_CONCURRENCY
  value: {{ .Values.concurrency | quote }}
- name: MSG2AGENT_OPERATOR_ROLLOUT_BUDGET
  value: {{ .Values.rolloutBudget | quote }}
- name: MSG2AGENT_OPERATOR_CLUSTER_DOMAIN
  value: {{ .Values.clusterDomain }}
- name: MSG2AGENT_OPERATOR_LOG_FILTER
  value: {{ .Values.log.filter | quote }}
- name: MSG2AGENT_OPERATOR_LOG_FORMAT
  value: {{ .Values.log.format }}
{{- with .Values.otlpEndpoint }}
- name: MSG2AGENT_OPERATOR_OTLP_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* `Platform`, or the id. A large number would otherwise be written with an exponent. */}}
{{- define "msg2agent.podUser" -}}
{{- if eq .Values.podUser.mode "Platform" -}}
Platform
{{- else -}}
{{- .Values.podUser.id | int64 -}}
{{- end -}}
{{- end -}}

{{- define "msg2agent.podSecurity" -}}
runAsNonRoot: true
{{- if eq .Values.podUser.mode "Fixed" }}
runAsUser: {{ include "msg2agent.podUser" . }}
runAsGroup: {{ include "msg2agent.podUser" . }}
fsGroup: {{ include "msg2agent.podUser" . }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* A token of the ServiceAccount, which the kubelet renews. */}}
{{- define "msg2agent.token" -}}
- name: token
  projected:
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: {{ .Values.serviceAccount.tokenExpirationSeconds }}
      - configMap:
          name: kube-root-ca.crt
          items:
            - {key: ca.crt, path: ca.crt}
      - downwardAPI:
          items:
            - path: namespace
              fieldRef: {fieldPath: metadata.namespace}
{{- end -}}

{{- define "msg2agent.affinity" -}}
{{- if .Values.affinity -}}
{{ toYaml .Values.affinity }}
{{- else -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "msg2agent.selector" . | nindent 12 }}
{{- end -}}
{{- end -}}

{{- define "msg2agent.spread" -}}
{{- if .Values.topologySpreadConstraints -}}
{{ toYaml .Values.topologySpreadConstraints }}
{{- else -}}
- maxSkew: 1
  topologyKey: topology.kubernetes.io/zone
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "msg2agent.selector" . | nindent 6 }}
{{- end -}}
{{- end -}}
