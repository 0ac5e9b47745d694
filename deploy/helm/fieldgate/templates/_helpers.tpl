{{- define "fieldgate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "fieldgate.fullname" -}}
{{- $name := include "fieldgate.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "fieldgate.selector" -}}
app.kubernetes.io/name: {{ include "fieldgate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "fieldgate.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | replace "+" "_" | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "fieldgate.selector" . }}
{{- end -}}

{{- define "fieldgate.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "fieldgate.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "fieldgate.fullname" .) -}}
{{- end -}}

{{- /* The directory of the mounted Secrets. */ -}}
{{- define "fieldgate.secretsDir" -}}/etc/fieldgate/secrets{{- end -}}

{{- /*
Fails if the values have a secret in plain text, or a setting that the chart sets. A plain text would be in
the Deployment and in the Secret in which Helm keeps the release, for everyone who may read either.
*/ -}}
{{- define "fieldgate.checkSettings" -}}
{{- range $name, $value := .Values.settings -}}
{{- if has $name (list "FIELDGATE_ADDR" "FIELDGATE_METRICS_ADDR" "FIELDGATE_DRAIN_DELAY" "FIELDGATE_DRAIN_WINDOW" "FIELDGATE_SHUTDOWN_TIMEOUT") -}}
{{- fail (printf "The chart sets %s itself: remove it from settings. The times of the shutdown are in shutdown." $name) -}}
{{- end -}}
{{- if and (regexMatch "_(SECRET|KEY|TOKEN|PASSWORD)(_PREVIOUS)?$" $name) (ne $name "FIELDGATE_SUPABASE_ANON_KEY") -}}
{{- fail (printf "%s is a secret: name the Secret with its value under secrets." $name) -}}
{{- end -}}
{{- if regexMatch "://[^/@]*:[^/@]*@" $value -}}
{{- fail (printf "%s has a password: name the Secret with its value under secrets." $name) -}}
{{- end -}}
{{- if hasPrefix "FIELDGATE_DEV_" $name -}}
{{- fail (printf "%s is a setting of fieldgate dev: remove it from settings." $name) -}}
{{- end -}}
{{- if hasKey $.Values.secrets $name -}}
{{- fail (printf "%s is in settings and in secrets: remove one of them." $name) -}}
{{- end -}}
{{- end -}}
{{- if not (or .Values.settings.FIELDGATE_REDIS_URL .Values.secrets.FIELDGATE_REDIS_URL) -}}
{{- fail "The gateway needs Redis: set FIELDGATE_REDIS_URL in settings or in secrets." -}}
{{- end -}}
{{- end -}}

{{- /* The grace period: longer than the longest shutdown, which waits five seconds for the last sockets. */ -}}
{{- define "fieldgate.gracePeriod" -}}
{{- with .Values.shutdown -}}
{{- add .drainDelay (max (add .drainWindow 5) .timeout) 15 -}}
{{- end -}}
{{- end -}}
