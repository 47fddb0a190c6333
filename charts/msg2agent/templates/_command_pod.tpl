{{/*
The spec of a pod that runs a command of the operator once. Call it with (list $ <command> <account>).
*/}}
{{- define "msg2agent.commandPod" -}}
{{- $root := index . 0 -}}
restartPolicy: Never
serviceAccountName: {{ index . 2 }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext:
  {{- include "msg2agent.podSecurity" $root | nindent 2 }}
containers:
  - name: {{ index . 1 }}
    image: {{ include "msg2agent.image" (list $root $root.Values.image) }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    args: [{{ index . 1 }}]
    env:
      - name: MSG2AGENT_OPERATOR_NAMESPACE
        value: {{ $root.Release.Namespace }}
      - name: MSG2AGENT_OPERATOR_LEASE_NAME
        value: {{ include "msg2agent.lease" $root }}
      {{- with $root.Values.watchNamespaces }}
      - name: MSG2AGENT_OPERATOR_WATCH_NAMESPACES
        value: {{ join "," . | quote }}
      {{- end }}
    resources:
      requests: {cpu: 10m, memory: 32Mi}
      limits: {memory: 128Mi}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities:
        drop: [ALL]
    volumeMounts:
      - name: token
        mountPath: /var/run/secrets/kubernetes.io/serviceaccount
        readOnly: true
volumes:
  {{- include "msg2agent.token" $root | nindent 2 }}
{{- with $root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The account of the Job after `helm uninstall`. One that the chart does not make stays. */}}
{{- define "msg2agent.afterUninstallAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- printf "%s-release-finalizers" (include "msg2agent.fullname" .) -}}
{{- else -}}
{{- include "msg2agent.serviceAccount" . -}}
{{- end -}}
{{- end -}}

{{/* Annotations of a hook that runs after `helm uninstall`. Call it with its weight. */}}
{{- define "msg2agent.afterUninstall" -}}
helm.sh/hook: post-delete
helm.sh/hook-weight: {{ . | quote }}
# What failed is kept, so that its log can be read.
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
