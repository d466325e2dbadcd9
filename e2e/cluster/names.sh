# shellcheck shell=bash disable=SC2034 # the names are used by the other files
# Every name of this cluster derives from the path of the checkout, so the
# clusters of two checkouts on one machine never meet.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
checkout=$(cd "$here/../.." && pwd -P)

path_hash=$(printf '%s' "$checkout" | sha256sum | cut -c1-8)
cluster_name=oo-$path_hash

# Build outputs, logs and state, all ignored by git.
home=$checkout/target/cluster
bin=$home/bin
logs=$home/logs
pids=$home/pids
state=$home/state
host_kubeconfig=$home/kubeconfig
inside_kubeconfig=$home/inside.kubeconfig

# Unix sockets must have paths of under 108 bytes, which a checkout's path may
# exceed. In the cluster's private mounts $run/state is the folder $state.
run=/run/$cluster_name
net_file=$run/net

# Below the range from which the kernel takes ports for outgoing connections.
relay_port=${CLUSTER_PORT:-$((20000 + 16#${path_hash:0:4} % 10000))}

node_name=node1
node_address=10.89.0.1

say() { printf 'cluster: %s\n' "$*" >&2; }
fail() {
	printf 'cluster: %s\n' "$*" >&2
	exit 1
}

# Seconds with two decimals, for measuring: elapsed "$(now)".
now() { printf '%s' "${EPOCHREALTIME/,/.}"; }
elapsed() { awk -v from="$1" -v to="$(now)" 'BEGIN { printf "%.2f", to - from }'; }
