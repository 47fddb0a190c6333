{{/* Names, labels and image references. */}}

{{/* Fixed, because the NetworkPolicies of relays select the operator's pods by this name. */}}
{{- define "msg2agent.name" -}}
msg2agent
{{- end -}}

{{/*
<release>-msg2agent, or the release name if it contains msg2agent. At most 40 characters, so that
suffixes fit.
*/}}
{{- define "msg2agent.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "msg2agent.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "msg2agent.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "msg2agent.operator" -}}
{{- printf "%s-operator" (include "msg2agent.fullname" .) -}}
{{- end -}}

{{- define "msg2agent.serviceAccount" -}}
{{- default (include "msg2agent.operator" .) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "msg2agent.lease" -}}
{{- default (include "msg2agent.operator" .) .Values.leaderElection.leaseName -}}
{{- end -}}

{{- define "msg2agent.selector" -}}
app.kubernetes.io/name: {{ include "msg2agent.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "msg2agent.labels" -}}
{{ include "msg2agent.selector" . }}
app.kubernetes.io/part-of: msg2agent
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The full reference of an image. Call it with (list $ <image values>). */}}
{{- define "msg2agent.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- $registry := default $image.registry $root.Values.global.imageRegistry -}}
{{- $name := $image.repository -}}
{{- if $registry -}}{{- $name = printf "%s/%s" $registry $image.repository -}}{{- end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name $image.tag -}}
{{- end -}}
{{- end -}}
