{{/* What every pod has. Each takes (dict "root" $ "name" NAME "process" VALUES "facts" FACTS). */}}

{{- define "budkavle.selector" -}}
app.kubernetes.io/name: budkavle
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end }}

{{- define "budkavle.labels" -}}
{{ include "budkavle.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "budkavle.image" -}}
{{- $image := .Values.image -}}
{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}{{ with $image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- define "budkavle.hasDoor" -}}
{{- if and .facts.door .process.service }}{{ if .process.service.enabled }}yes{{ end }}{{ end }}
{{- end }}

{{- define "budkavle.podSpec" -}}
automountServiceAccountToken: false
# Kubernetes' variables for Services would look like misspelt settings.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: secrets
    projected:
      defaultMode: 0440
      sources:
        {{- range (include "budkavle.secrets" . | fromYamlArray) }}
        - secret: {name: {{ . }}}
        {{- end }}
  - name: tmp
    emptyDir: {sizeLimit: 64Mi}
{{- end }}

{{- define "budkavle.secrets" -}}
{{- toYaml (.process.secrets | default .root.Values.secrets) }}
{{- end }}

{{- define "budkavle.container" -}}
name: {{ .name }}
image: {{ include "budkavle.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
args: {{ toJson .facts.args }}
env:
  - {name: BUDKAVLE_SECRETS_DIR, value: /run/secrets/budkavle}
  {{- if include "budkavle.hasDoor" . }}
  - {name: {{ .facts.door.setting }}, value: "0.0.0.0:{{ .facts.door.port }}"}
  {{- end }}
  {{- range $name, $value := merge (dict) .process.settings .root.Values.settings }}
  - {name: {{ $name }}, value: {{ $value | toString | quote }}}
  {{- end }}
resources: {{- toYaml .process.resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
volumeMounts:
  - {name: secrets, mountPath: /run/secrets/budkavle, readOnly: true}
  - {name: tmp, mountPath: /tmp}
{{- end }}

{{- define "budkavle.spread" -}}
- topologyKey: {{ .key }}
  maxSkew: 1
  whenUnsatisfiable: {{ .when }}
  labelSelector:
    matchLabels: {{- include "budkavle.selector" .of | nindent 6 }}
  matchLabelKeys: [pod-template-hash]
{{- end }}
