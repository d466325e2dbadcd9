# shellcheck shell=bash
# What the admission policies let the operator's account write.

kubectl apply --filename "$here/fleet.yaml" >/dev/null
kubectl --namespace qudag create serviceaccount default >/dev/null 2>&1 || true
kubectl apply --filename "$here/pod.yaml" >/dev/null
sed 's/name: dns-cache/name: subject/' examples/rollouts/dns-cache.yaml | kubectl apply --filename - >/dev/null

# Policies act some seconds after they were made; until then the first hostile write goes through.
for _ in $(seq 100); do
	patch pod member '{"metadata": {"labels": {"foreign": "x"}}}' --dry-run=server >/dev/null 2>&1 || break
	sleep 0.2
done

while IFS='|' read -r name kind object body; do
	accepted "operator may: $name" patch "$kind" "$object" "$body"
done <<'TABLE'
switch a pod's cohort|pod|member|{"metadata": {"labels": {"optimization.qudag.io/cohort": "optimized"}}}
take a pod out of traffic|pod|member|{"metadata": {"labels": {"optimization.qudag.io/serving": "false"}}}
touch a pod|pod|member|{"metadata": {"annotations": {"optimization.qudag.io/touched": "now"}}}
narrow a Service|service|qudag|{"spec": {"selector": {"optimization.qudag.io/cohort": "baseline"}}}
widen a Service|service|qudag|{"spec": {"selector": {"optimization.qudag.io/cohort": null}}}
write a rendered ConfigMap|configmap|rendered|{"data": {"member.toml": "a = 1"}}
mark a rollout|optimizationrollout|subject|{"metadata": {"annotations": {"optimization.qudag.io/retreat": "x"}}}
hold a rollout|optimizationrollout|subject|{"metadata": {"finalizers": ["optimization.qudag.io/restore"]}}
release a rollout|optimizationrollout|subject|{"metadata": {"finalizers": null}}
TABLE
accepted "operator may: make a rendered ConfigMap" operator create --filename "$here/rendered.yaml"
accepted "operator may: delete a rendered ConfigMap" operator --namespace qudag delete configmap made

while IFS='|' read -r name kind object words body; do
	refused "operator may not: $name" "$words" patch "$kind" "$object" "$body"
done <<'TABLE'
change a foreign label|pod|member|no labels but its own|{"metadata": {"labels": {"app.kubernetes.io/name": "other"}}}
take a foreign label away|pod|member|no labels but its own|{"metadata": {"labels": {"app.kubernetes.io/name": null}}}
change a foreign annotation|pod|member|no annotations but its own|{"metadata": {"annotations": {"foreign": "x"}}}
change an image|pod|member|nothing of a pod but|{"spec": {"containers": [{"name": "fleet-node", "image": "other:1"}]}}
hold a pod|pod|member|nothing of a pod but|{"metadata": {"finalizers": ["optimization.qudag.io/restore"]}}
point a Service elsewhere|service|qudag|no key of a selector but its own|{"spec": {"selector": {"app.kubernetes.io/name": "other"}}}
route to the optimized|service|qudag|no key of a selector but its own|{"spec": {"selector": {"optimization.qudag.io/cohort": "optimized"}}}
open a port|service|qudag|nothing of a Service but|{"spec": {"ports": [{"name": "x", "port": 81}]}}
make an address public|service|qudag|nothing of a Service but|{"spec": {"externalIPs": ["192.0.2.1"]}}
reroute a Service that did not opt in|service|foreign|does not select optimization.qudag.io/serving|{"spec": {"selector": {"optimization.qudag.io/cohort": "baseline"}}}
write a foreign ConfigMap|configmap|foreign|was not made by the operator|{"data": {"a": "b"}}
write a base|configmap|base|was not made by the operator|{"data": {"a": "b"}}
adopt a base|configmap|base|was not made by the operator|{"metadata": {"labels": {"optimization.qudag.io/rollout": "x"}}}
adopt a foreign ConfigMap|configmap|foreign|was not made by the operator|{"metadata": {"labels": {"optimization.qudag.io/rollout": "x"}}}
give a ConfigMap away|configmap|rendered|whose a ConfigMap is|{"metadata": {"labels": {"optimization.qudag.io/rollout": null}}}
own a ConfigMap|configmap|rendered|nothing of a ConfigMap but|{"metadata": {"finalizers": ["optimization.qudag.io/restore"]}}
change a plan|optimizationrollout|subject|nothing of a rollout but|{"spec": {"paused": true}}
hold by a foreign finalizer|optimizationrollout|subject|nothing of a rollout but|{"metadata": {"finalizers": ["example.com/x"]}}
TABLE
refused "operator may not: make a foreign ConfigMap" "was not made by the operator" \
	operator --namespace qudag create configmap stray --from-literal a=b
refused "operator may not: delete a foreign ConfigMap" "was not made by the operator" \
	operator --namespace qudag delete configmap foreign
# evict OPTIONS: of a pod that was never scheduled, so that it goes at once; nothing else runs here.
evict() {
	kubectl apply --filename "$here/pod.yaml" >/dev/null
	operator create --raw /api/v1/namespaces/qudag/pods/member/eviction --filename - <<<"{\"apiVersion\": \"policy/v1\",
		\"kind\": \"Eviction\", \"metadata\": {\"name\": \"member\", \"namespace\": \"qudag\"}$1}"
}
uid() { kubectl --namespace qudag get pod member --output jsonpath='{.metadata.uid}'; }
refused "operator may not: cut an eviction short" "with the pod's own grace period" \
	evict ', "deleteOptions": {"gracePeriodSeconds": 0}'
refused "an eviction of another pod of this name" "the UID in the precondition" \
	evict ', "deleteOptions": {"preconditions": {"uid": "00000000-0000-0000-0000-000000000000"}}'
accepted "operator may: evict a pod that it names" evict ", \"deleteOptions\": {\"preconditions\": {\"uid\": \"$(uid)\"}}"
accepted "operator may: evict a pod" evict ''
kubectl apply --filename "$here/pod.yaml" >/dev/null
while IFS='|' read -r name words body; do
	refused "operator may not: $name" "$words" patch configmap edge "$body"
done <<'TABLE'
take an opt-in away|whose a ConfigMap is|{"metadata": {"annotations": {"optimization.qudag.io/member": null}}}
change an opt-in|whose a ConfigMap is|{"metadata": {"annotations": {"optimization.qudag.io/member": "other"}}}
change an annotation of its owner|no annotations but its own|{"metadata": {"annotations": {"owner": "x"}}}
TABLE
accepted "operator may: edit a member's own ConfigMap" patch configmap edge \
	'{"data": {"node.toml": "a = 2"}, "metadata": {"annotations": {"optimization.qudag.io/record": "{}"}}}'
refused "operator may not: delete a pod" "" operator --namespace qudag delete pod member
accepted "others are not concerned" kubectl --namespace qudag patch pod member --type merge \
	--patch '{"metadata": {"labels": {"foreign": "x"}}}'
