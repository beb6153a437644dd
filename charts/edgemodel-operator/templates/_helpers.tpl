{{/* Name of every object: the release's, with the chart's behind it unless it is in there. At most 63 characters. */}}
{{- define "edgemodel-operator.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 55 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 55 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "edgemodel-operator.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "edgemodel-operator.labels" -}}
{{ include "edgemodel-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "edgemodel-operator.tokenSecret" -}}
{{- .Values.webhook.existingSecret | default (printf "%s-webhook" (include "edgemodel-operator.fullname" .)) -}}
{{- end -}}

{{- define "edgemodel-operator.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "edgemodel-operator.fullname" .) -}}
{{- else -}}
{{- required "serviceAccount.name: want the account to use when serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The service account as a subject of a binding. */}}
{{- define "edgemodel-operator.subject" -}}
- kind: ServiceAccount
  name: {{ include "edgemodel-operator.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}
