{{- define "todo-app.name" -}}
{{- default "todo" .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Short enough for what is put behind it: "-postgresql-0" and the like. */}}
{{- define "todo-app.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "todo-app.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "todo-app.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Labels that select a part's pods: (dict "root" $ "component" "backend"). */}}
{{- define "todo-app.selector" -}}
app.kubernetes.io/name: {{ include "todo-app.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "todo-app.labels" -}}
{{ include "todo-app.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: {{ include "todo-app.name" .root }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Labels of pods: nothing that changes with the chart's version, which would replace them all. */}}
{{- define "todo-app.podLabels" -}}
{{ include "todo-app.selector" . }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Name, namespace, labels and annotations: (dict "root" $ "component" .. "suffix" .. "annotations" ..). */}}
{{- define "todo-app.metadata" -}}
name: {{ include "todo-app.fullname" .root }}{{ with .suffix }}-{{ . }}{{ end }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "todo-app.labels" . | nindent 2 }}
{{- with merge (dict) (default (dict) .annotations) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "todo-app.image" -}}
{{- $tag := .image.tag }}
{{- if not (or $tag .image.digest) }}{{ $tag = .root.Chart.AppVersion }}{{ end }}
{{- .image.repository }}{{ with $tag }}:{{ . }}{{ end }}{{ with .image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- define "todo-app.secretName" -}}
{{- default (include "todo-app.fullname" .) .Values.secrets.existingSecret }}
{{- end }}

{{- define "todo-app.serviceAccountName" -}}
{{- if .root.Values.serviceAccount.create }}{{ include "todo-app.fullname" .root }}-{{ .component }}{{ else }}default{{ end }}
{{- end }}

{{/* What the security level `restricted` asks of a pod, and of a container. */}}
{{- define "todo-app.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "todo-app.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "todo-app.config" -}}
API_BASE_URL: {{ .Values.config.apiBaseUrl | quote }}
ENVIRONMENT: {{ .Values.config.environment | quote }}
LOG_LEVEL: {{ .Values.config.logLevel | quote }}
OPENAI_BASE_URL: {{ .Values.config.openaiBaseUrl | quote }}
OPENAI_MODEL: {{ .Values.config.openaiModel | quote }}
COOKIE_SECURE: {{ .Values.config.cookieSecure | toString | quote }}
{{- end }}

{{/* A mark that changes with what a part reads from the ConfigMap: (dict "root" $ "keys" (list ..)). */}}
{{- define "todo-app.configMark" -}}
{{- $all := include "todo-app.config" .root | fromYaml }}
{{- $read := dict }}
{{- range .keys }}{{ $_ := set $read . (get $all .) }}{{ end }}
{{- $read | toJson | sha256sum }}
{{- end }}

{{/* Variables from the ConfigMap: (dict "root" $ "keys" (list ..)). */}}
{{- define "todo-app.configEnv" -}}
{{- $root := .root }}
{{- range .keys }}
- name: {{ . }}
  valueFrom:
    configMapKeyRef:
      name: {{ include "todo-app.fullname" $root }}
      key: {{ . }}
{{- end }}
{{- end }}

{{/* Variables from the Secret: no value of it is in a pod's description. */}}
{{- define "todo-app.secretEnv" -}}
{{- $name := include "todo-app.secretName" . }}
{{- range list "DATABASE_URL" "AUTH_SECRET" "OPENAI_API_KEY" }}
- name: {{ . }}
  valueFrom:
    secretKeyRef:
      name: {{ $name }}
      key: {{ . }}
      {{- if eq . "OPENAI_API_KEY" }}
      optional: true
      {{- end }}
{{- end }}
{{- end }}

{{/* The container that migrates, for the init container and for the hook. */}}
{{- define "todo-app.migrate" -}}
- name: migrate
  image: {{ include "todo-app.image" (dict "root" . "image" .Values.backend.image) }}
  imagePullPolicy: {{ .Values.backend.image.pullPolicy }}
  args: [todo-backend, migrate]
  env:
    {{- include "todo-app.secretEnv" . | nindent 4 }}
    {{- include "todo-app.configEnv" (dict "root" . "keys" (list "LOG_LEVEL")) | nindent 4 }}
    - name: MIGRATE_WAIT
      value: {{ .Values.migrations.waitSeconds | quote }}
  resources:
    {{- toYaml .Values.migrations.resources | nindent 4 }}
  securityContext:
    {{- include "todo-app.containerSecurity" . | nindent 4 }}
  volumeMounts:
    - {name: tmp, mountPath: /tmp}
{{- end }}

{{/* Where and how a part's pods are placed: (dict "root" $ "component" .. "part" .Values.backend). */}}
{{- define "todo-app.placement" -}}
{{- if .part.topologySpread.enabled }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: {{ .part.topologySpread.topologyKey }}
    whenUnsatisfiable: {{ .part.topologySpread.whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "todo-app.selector" . | nindent 8 }}
    # Pods of the version before are on their way out, and a node that is drained takes none: neither counts.
    nodeTaintsPolicy: Honor
    matchLabelKeys: [pod-template-hash]
{{- end }}
{{- with .part.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A probe over HTTP: (dict "path" .. "probe" ..). */}}
{{- define "todo-app.probe" -}}
httpGet:
  path: {{ .path }}
  port: http
{{ toYaml .probe }}
{{- end }}
