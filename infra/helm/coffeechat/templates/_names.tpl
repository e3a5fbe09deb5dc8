{{- define "coffeechat.labels" -}}
app.kubernetes.io/name: coffeechat
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* Of (dict "root" $ "component" "gateway"). */}}
{{- define "coffeechat.selector" -}}
app.kubernetes.io/name: coffeechat
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "coffeechat.image" -}}
{{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) | quote }}
{{- end }}

{{- define "coffeechat.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "coffeechat.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{/* Settings from the config map, then from the secret. */}}
{{- define "coffeechat.envFrom" -}}
- configMapRef: { name: {{ .Release.Name }}-settings }
- secretRef: { name: {{ .Values.secret }} }
{{- end }}

{{/* Liveness, and a start that may wait for the engines. */}}
{{- define "coffeechat.liveness" -}}
livenessProbe:
  httpGet: { path: /healthz, port: metrics }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end }}

{{/* Of (dict "root" $ "component" "gateway"). */}}
{{- define "coffeechat.placing" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: {{ if eq .root.Values.spread "hard" }}DoNotSchedule{{ else }}ScheduleAnyway{{ end }}
    labelSelector:
      matchLabels: {{- include "coffeechat.selector" . | nindent 8 }}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Of (dict "root" $ "files" true): what is mounted, by the same conditions in both lists. */}}
{{- define "coffeechat.mounts" -}}
- { name: tmp, mountPath: /tmp }
{{- if and .files (eq .root.Values.files.store "folder") }}
- { name: files, mountPath: /data }
{{- end }}
{{- if .root.Values.caSecret }}
- { name: ca, mountPath: /etc/coffeechat/ca, readOnly: true }
{{- end }}
{{- range $engine := list "kafka" "database" "redis" }}
{{- if (index $.root.Values $engine).tlsSecret }}
- { name: {{ $engine }}-tls, mountPath: /etc/coffeechat/{{ $engine }}, readOnly: true }
{{- end }}
{{- end }}
{{- if and .gateway .root.Values.gateway.tlsSecret }}
- { name: tls, mountPath: /etc/coffeechat/tls, readOnly: true }
{{- end }}
{{- end }}

{{- define "coffeechat.volumes" -}}
- name: tmp
  emptyDir: { sizeLimit: 256Mi }
{{- if and .files (eq .root.Values.files.store "folder") }}
- name: files
  persistentVolumeClaim:
    claimName: {{ if .root.Values.files.create.enabled }}{{ .root.Release.Name }}-files{{ else }}{{ .root.Values.files.existingClaim }}{{ end }}
{{- end }}
{{- if .root.Values.caSecret }}
- name: ca
  secret: { secretName: {{ .root.Values.caSecret }} }
{{- end }}
{{- range $engine := list "kafka" "database" "redis" }}
{{- with (index $.root.Values $engine).tlsSecret }}
- name: {{ $engine }}-tls
  secret: { secretName: {{ . }} }
{{- end }}
{{- end }}
{{- if and .gateway .root.Values.gateway.tlsSecret }}
- name: tls
  secret: { secretName: {{ .root.Values.gateway.tlsSecret }} }
{{- end }}
{{- end }}
