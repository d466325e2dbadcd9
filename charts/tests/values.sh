# shellcheck shell=bash
# Values that the chart takes, and those that it refuses.

accepted "helm lint" helm lint --strict "$chart"
accepted "defaults" template
accepted "everything on" template --set serviceMonitor.enabled=true,dashboard.enabled=true,priorityClassName=high \
	--set 'namespaces={a,b}' --set standby=Sleep,networkPolicy.enabled=true
accepted "the same at each rendering" charts/tests/render
accepted "everything off" template --set admissionPolicy.enabled=false,networkPolicy.enabled=false \
	--set podDisruptionBudget.enabled=false,crds.install=false

while IFS='|' read -r name value words; do
	refused "value: $name" "$words" template --set "$value"
done <<'TABLE'
unknown|replica=3|additional properties 'replica' not allowed
too many replicas|replicas=10|/replicas
namespace in capitals|namespaces={Qudag}|/namespaces/0
unknown standby|standby=Maybe|/standby
bad digest|image.digest=sha256:1|/image/digest
Secret in capitals|connections.secrets={Token}|/connections/secrets/0
TABLE

rules=$(template --set 'namespaces={a}' --set 'connections.secrets={prometheus}' | grep -cE '^ +- apiGroups: ' || true)
accepted "at most 20 rules of RBAC and admission ($rules)" test "$rules" -le 20
accepted "no right to Secrets unless they are named" bash -c "! helm template x $chart --kube-version 1.35 | grep -iE 'resources:.*secrets'"

# refuse Secrets without names, and others' namespaces
secrets() { template --set 'connections.secrets={prometheus}' | grep -A 3 'resources: \[secrets\]'; }
accepted "a named Secret may be read and nothing else" bash -c \
	"[[ \$(echo '$(secrets | tr -d ' \n')') == 'resources:[secrets]resourceNames:[\"prometheus\"]verbs:[get]'* ]]"
accepted "egress to Connections opens name servers" bash -c "helm template x $chart --kube-version 1.35 \
	--set-json 'connections.egress=[{\"ports\": [{\"port\": 9090}]}]' | grep -q 'port: 9090'"
