# shellcheck shell=bash
# The definition of the kind, and rollouts that it takes and refuses.

accepted "namespace for the fleet" kubectl create namespace qudag
accepted "install" helm install optimization-operator "$chart" --namespace optimization-operator --create-namespace \
	--set 'namespaces={qudag}' --set 'connections.secrets={prometheus}'
accepted "definitions are served" kubectl wait --for condition=Established --timeout 30s \
	crd/optimizationrollouts.optimization.qudag.io crd/connections.optimization.qudag.io
accepted "definition is small enough for kubectl apply" kubectl apply --dry-run=server --filename crds/
for rollout in examples/rollouts/*.yaml; do
	accepted "$rollout" kubectl apply --dry-run=server --filename "$rollout"
done
for fleet in examples/fleet-node/*.yaml; do
	accepted "$fleet" kubectl apply --filename "$fleet" --dry-run=server
done
for connection in examples/connections/*.yaml; do
	accepted "$connection" kubectl apply --dry-run=server --filename "$connection"
done
accepted "explain says the unit" bash -c "kubectl explain optimizationrollout.spec.stages.bake | grep -q 30m"

# A rollout with one thing changed by jq-like replacement of a line.
changed() { sed "$1" examples/rollouts/dns-cache.yaml | kubectl apply --dry-run=server --filename -; }
while IFS='|' read -r name edit words; do
	refused "rollout: $name" "$words" changed "$edit"
done <<'TABLE'
percent beyond 100|s/percent: 100/percent: 101/|spec.stages[2].percent
percentages that fall|s/percent: 100/percent: 20/|percent
key without {member}|s/{member}.toml/member.toml/|must contain {member}
indicator without a limit|/max: 1%/d|set
quantile outside of (0,1)|s/quantile: "0.95"/quantile: "1.5"/|quantile
no delivery|/rendered:/,/key:/d|must validate one and only one schema (oneOf)
two deliveries|s/      format: Toml/      patched: {name: "{member}-x", key: a}/|must validate one and only one schema (oneOf)
a patched name without {member}|s/      rendered:/      patched:/; s/name: qudag-optimizations/name: qudag-node-config/|must contain {member}
a base that the operator would write|s/^\( *\)name: qudag-optimizations/&\n\1base: {name: qudag-optimizations, key: a}/|choose another
format against key|s/format: Toml/format: Env/|contradicts format Env
no fleet|/selector:/,/qudag-node/d|spec.fleet.selector
promql without a Connection|s/ratio:/promql: {query: up}/;/numerator:/d;/denominator:/d|promql needs a Connection
a field that does not exist|s/watchAfter: 10s/watchUntil: 10s/|unknown field "spec.watchUntil"
TABLE

# A Connection with one thing changed.
connected() { sed "$1" examples/connections/prometheus.yaml | kubectl apply --dry-run=server --filename -; }
while IFS='|' read -r name edit words; do
	refused "Connection: $name" "$words" connected "$edit"
done <<'TABLE'
a user in the url|s#url: http://#url: http://user:word@#|no user and no password
a query in the url|s#:9090#:9090?x=y#|no query and no fragment
a fragment in the url|s#:9090#:9090/\#x#|no query and no fragment
another scheme|s#url: http:#url: ftp:#|begins with http:// or https://
a host in capitals|s#//prometheus#//PROMETHEUS#|write it as http://host:port/prefix
https without a ca|s#url: http:#url: https:#|ca: https needs
a token over http|s#type: Prometheus#type: Prometheus\n  secret: {name: prometheus, key: token}#|only sent over https
nobody allowed|s#- qudag#[]#;s#allowedNamespaces:#allowedNamespaces: \[\]#;/^  \[\]$/d|allowedNamespaces
a network that is none|s#type: Prometheus#type: Prometheus\n  allowAddresses: [everything]#|write each network as address/bits
stale too soon|s#staleAfter: 1m#staleAfter: 10ms#|between 1s and 1h
another type|s#type: Prometheus#type: Graphite#|Unsupported value
TABLE
