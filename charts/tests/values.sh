# shellcheck shell=bash
# Values that the chart takes, and those that it refuses.

accepted "helm lint" helm lint --strict "$chart"
accepted "defaults" template
accepted "everything on" template --set serviceMonitor.enabled=true,dashboard.enabled=true,priorityClassName=high \
	--set 'namespaces={a,b}' --set standby=Sleep,networkPolicy.enabled=true
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
TABLE

rules=$(template --set 'namespaces={a}' | grep -cE '^ +- apiGroups: ' || true)
accepted "at most 20 rules of RBAC and admission ($rules)" test "$rules" -le 20
accepted "no right to Secrets" bash -c "! helm template x $chart --kube-version 1.35 | grep -iE 'resources:.*secrets'"
