# shellcheck shell=bash
# The cluster's own network namespace, kept by the file $net_file, and its
# private mount namespace, kept by one sleeping process, the holder.

namespaces_up() {
	mkdir -p "$run" "$state"
	: >"$net_file"
	unshare --net="$net_file" true
	start "$pids/holder" "$logs/holder.log" nsenter --net="$net_file" \
		unshare --mount --propagation private \
		bash "$here/mounts.sh" "$run" "$state" "$bin"
	until [[ -f $run/ready ]]; do
		pid_of "$pids/holder" >/dev/null ||
			fail "the namespaces could not be made; see $logs/holder.log."
		sleep 0.02
	done
	network_up
}

# The network has no uplink and no default route: no packet leaves the machine.
network_up() {
	# shellcheck disable=SC2016 # the inner shell expands them
	nsenter --net="$net_file" bash -euc '
		ip link set lo up
		# 127.0.0.0/8 is refused as the address of a node.
		ip address add "$1/32" dev lo
		ip link add cni0 type bridge
		ip address add 10.244.0.1/24 dev cni0
		ip link set cni0 up
		# Without a default route the kernel needs some way to a Service
		# address before kube-proxy rewrites it.
		ip route add 10.96.0.0/16 dev cni0
		echo 1 >/proc/sys/net/ipv4/ip_forward
		echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables
	' network "$node_address"
}

# inside COMMAND...: in both namespaces.
inside() { nsenter "${inside_arguments[@]}" "$@"; }

# The arguments that `nsenter` needs, in inside_arguments.
find_inside() {
	local holder
	holder=$(pid_of "$pids/holder") || fail "the cluster is not running; start it with: cluster up"
	inside_arguments=(--net="$net_file" --mount="/proc/$holder/ns/mnt")
}

# cluster_exec COMMAND...: inside, from the folder where the caller is.
cluster_exec() {
	find_inside
	exec nsenter "${inside_arguments[@]}" env --chdir="$PWD" \
		KUBECONFIG="$inside_kubeconfig" PATH="$bin:$PATH" "$@"
}

# The pids of all processes in the cluster's network namespace.
processes_inside() {
	[[ -e $net_file ]] || return 0
	find /proc/[0-9]*/ns/net -maxdepth 0 -lname "net:\[$(stat -c %i "$net_file")\]" 2>/dev/null |
		cut -d/ -f3 || true
}

namespaces_down() {
	stop 2 "$pids/holder"
	umount "$net_file" 2>/dev/null || true
	rm -rf --one-file-system "$run"
}
