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

{{/* Name, namespace, labels and annotations: (dict "root" $ "component" .. "suffix" .. (or "name" ..) "annotations" ..). */}}
{{- define "todo-app.metadata" -}}
name: {{ with .name }}{{ . }}{{ else }}{{ include "todo-app.fullname" .root }}{{ with .suffix }}-{{ . }}{{ end }}{{ end }}
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
{{- $own := .root.Values.serviceAccount }}
{{- if $own.name }}{{ $own.name }}
{{- else if $own.create }}{{ include "todo-app.fullname" .root }}-{{ .component }}
{{- else }}default{{ end }}
{{- end }}

{{/* Of pods beside the two parts: the namespace's own unless one is named that is there already, before a hook too. */}}
{{- define "todo-app.otherServiceAccountName" -}}
{{- $own := .Values.serviceAccount }}
{{- if and $own.name (not $own.create) }}{{ $own.name }}{{ else }}default{{ end }}
{{- end }}

{{/*
A pod's or a container's security context: (dict "root" $ "context" ..). A line that is null is left out. OpenShift gives
each namespace numbers of its own, and refuses any other.
*/}}
{{- define "todo-app.security" -}}
{{- $wanted := .root.Values.openshift | toString }}
{{- $onOpenshift := or (eq $wanted "true") (and (eq $wanted "auto") (.root.Capabilities.APIVersions.Has "security.openshift.io/v1")) }}
{{- $kept := dict }}
{{- range $key, $value := .context }}
{{- if not (or (kindIs "invalid" $value) (and $onOpenshift (has $key (list "runAsUser" "runAsGroup" "fsGroup")))) }}
{{- $_ := set $kept $key $value }}
{{- end }}
{{- end }}
{{- toYaml $kept }}
{{- end }}

{{- define "todo-app.config" -}}
API_BASE_URL: {{ .Values.config.apiBaseUrl | quote }}
ENVIRONMENT: {{ .Values.config.environment | quote }}
LOG_LEVEL: {{ .Values.config.logLevel | quote }}
OPENAI_BASE_URL: {{ .Values.config.openaiBaseUrl | quote }}
OPENAI_MODEL: {{ .Values.config.openaiModel | quote }}
COOKIE_SECURE: {{ .Values.config.cookieSecure | toString | quote }}
PROXIES: {{ .Values.config.proxies | toString | quote }}
REGISTRATIONS_PER_HOUR: {{ .Values.config.registrationsPerHour | quote }}
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
{{- range list "DATABASE_URL" "DATABASE_CA" "AUTH_SECRET" "OPENAI_API_KEY" }}
- name: {{ . }}
  valueFrom:
    secretKeyRef:
      name: {{ $name }}
      key: {{ . }}
      {{- if has . (list "DATABASE_CA" "OPENAI_API_KEY") }}
      optional: true
      {{- end }}
{{- end }}
{{- end }}

{{/*
What the Secret holds, as a YAML map. Worked out once: what is made up is the same for every template. What was made up at
the first installation stays.
*/}}
{{- define "todo-app.secretData" -}}
{{- if not (hasKey .Values "secretData") }}
{{- $given := .Values.secrets }}
{{- $database := .Values.postgresql }}
{{- $name := include "todo-app.fullname" . }}
{{- $kept := dig "data" (dict) (lookup "v1" "Secret" .Release.Namespace $name) }}
{{- $password := $database.password }}
{{- $signing := $given.authSecret }}
{{- if $given.generate }}
{{- $password = $password | default (get $kept "POSTGRES_PASSWORD" | b64dec) | default (randAlphaNum 32) }}
{{- $signing = $signing | default (get $kept "AUTH_SECRET" | b64dec) | default (randAlphaNum 48) }}
{{- end }}
{{- $url := $given.databaseUrl }}
{{- if and $database.enabled (not $url) }}
{{- $password = required "postgresql.password is empty; give one, or set secrets.generate" $password }}
{{- $url = printf "postgresql://%s:%s@%s-postgresql:5432/%s" $database.user ($password | urlquery | replace "+" "%20") $name $database.database }}
{{- end }}
{{- $data := dict
  "DATABASE_URL" (required "secrets.databaseUrl is empty; give one, or name secrets.existingSecret, or enable postgresql" $url)
  "AUTH_SECRET" (required "secrets.authSecret is empty; give one (openssl rand -hex 32), or name secrets.existingSecret" $signing)
}}
{{- with $given.databaseCa }}{{ $_ := set $data "DATABASE_CA" . }}{{ end }}
{{- with $given.openaiApiKey }}{{ $_ := set $data "OPENAI_API_KEY" . }}{{ end }}
{{- if $database.enabled }}{{ $_ := set $data "POSTGRES_PASSWORD" $password }}{{ end }}
{{- $_ := set .Values "secretData" $data }}
{{- end }}
{{- toYaml .Values.secretData }}
{{- end }}

{{/*
A mark that changes with what the backend reads from the Secret, and shows in a pod's description: keyed with the signing
key, twice, so that nobody can try passwords with it.
*/}}
{{- define "todo-app.secretMark" -}}
{{- $data := omit (include "todo-app.secretData" . | fromYaml) "POSTGRES_PASSWORD" }}
{{- $inner := printf "%s\n%s" $data.AUTH_SECRET ($data | toJson) | sha256sum }}
{{- printf "%s\n%s" $data.AUTH_SECRET $inner | sha256sum | trunc 16 }}
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
    {{- with .Values.backend.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.backend.extraEnvFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  resources:
    {{- toYaml .Values.migrations.resources | nindent 4 }}
  securityContext:
    {{- include "todo-app.security" (dict "root" . "context" .Values.backend.securityContext) | nindent 4 }}
  volumeMounts:
    {{- include "todo-app.volumeMounts" .Values.backend | nindent 4 }}
{{- end }}

{{/* What a part's containers see of its volumes, and those volumes. */}}
{{- define "todo-app.volumeMounts" -}}
- {name: tmp, mountPath: /tmp}
{{- with .extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "todo-app.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{- with .extraVolumes }}
{{ toYaml . }}
{{- end }}
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
