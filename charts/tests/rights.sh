# shellcheck shell=bash
# What RBAC lets the operator's account do at all.

# can VERB RESOURCE[/SUBRESOURCE] NAMESPACE
can() {
	local subresource=()
	[[ $2 != */* ]] || subresource=(--subresource "${2#*/}")
	operator auth can-i "$1" "${2%/*}" "${subresource[@]}" --namespace "$3" | grep -qx yes
}
cannot() { ! can "$@"; }
while read -r verb resource namespace; do
	accepted "may $verb $resource in $namespace" can "$verb" "$resource" "$namespace"
done <<'TABLE'
patch pods qudag
patch services qudag
create configmaps qudag
watch endpointslices.discovery.k8s.io qudag
create pods/eviction qudag
patch optimizationrollouts/status qudag
create leases.coordination.k8s.io optimization-operator
watch connections.optimization.qudag.io qudag
create tokenreviews.authentication.k8s.io default
create subjectaccessreviews.authorization.k8s.io default
TABLE
while read -r verb resource namespace; do
	accepted "may not $verb $resource in $namespace" cannot "$verb" "$resource" "$namespace"
done <<'TABLE'
get secrets qudag
patch pods default
patch services kube-system
create configmaps default
delete pods qudag
create pods/exec qudag
create pods/portforward optimization-operator
create serviceaccounts/token optimization-operator
update deployments.apps qudag
get secrets optimization-operator
list secrets optimization-operator
patch connections.optimization.qudag.io qudag
TABLE

accepted "may read the Secret that is named" operator auth can-i get secret/prometheus --namespace optimization-operator
refused "may not read another Secret" no operator auth can-i get secret/another --namespace optimization-operator
refused "may not read a Secret of that name elsewhere" no operator auth can-i get secret/prometheus --namespace qudag
