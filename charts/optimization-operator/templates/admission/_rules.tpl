{{/* Start of a policy that concerns the operator's writes alone. Takes the root and what it is about. */}}
{{- define "optimization-operator.policy" -}}
{{- $root := index . 0 }}
{{- $name := printf "%s-%s" (include "optimization-operator.fullname" $root) (index . 1) -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ $name }}
  labels:
    {{- include "optimization-operator.labels" $root | nindent 4 }}
spec:
  policyName: {{ $name }}
  validationActions: [Deny, Audit]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {{ $name }}
  labels:
    {{- include "optimization-operator.labels" $root | nindent 4 }}
spec:
  failurePolicy: Fail
  matchConditions:
    - name: our-service-account
      expression: request.userInfo.username == 'system:serviceaccount:{{ $root.Release.Namespace }}:{{ include "optimization-operator.fullname" $root }}'
{{- end }}

{{/* Labels and annotations before and after the write; none before a creation, the same after a deletion. */}}
{{- define "optimization-operator.policy.variables" -}}
{{- range tuple "labels" "annotations" }}
- name: old{{ title . }}
  expression: "request.operation == 'CREATE' ? {} : oldObject.metadata.?{{ . }}.orValue({})"
- name: new{{ title . }}
  expression: "request.operation == 'DELETE' ? variables.old{{ title . }} : object.metadata.?{{ . }}.orValue({})"
{{- end }}
{{- end }}

{{/* The rule of the namespaces that the operator is installed for. */}}
{{- define "optimization-operator.policy.namespaces" -}}
- expression: request.namespace in {{ include "optimization-operator.namespaces" . }}
  messageExpression: "'the operator is not installed for namespace ' + request.namespace + ': add it to the value namespaces of its chart'"
  reason: Forbidden
{{- end }}

{{/* The rules of metadata. Takes the names of the fields that stay as they were but for our own keys. */}}
{{- define "optimization-operator.policy.metadata" -}}
{{- range tuple "labels" "annotations" }}
{{- $new := printf "variables.new%s" (title .) }}
{{- $old := printf "variables.old%s" (title .) }}
- expression: >-
    {{ $new }}.all(k, k.startsWith('optimization.qudag.io/') || (k in {{ $old }} && {{ $old }}[k] == {{ $new }}[k]))
    && {{ $old }}.all(k, k.startsWith('optimization.qudag.io/') || k in {{ $new }})
  message: the operator may change no {{ . }} but its own, optimization.qudag.io/...
  reason: Forbidden
{{- end }}
{{- end }}
