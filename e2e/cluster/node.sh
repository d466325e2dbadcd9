# shellcheck shell=bash
# The processes of the whole cluster, in the order of their start.

# Everything that runs, beside the holder of the namespaces.
node_processes=(relay kube-proxy kubelet scheduler controller-manager api-server etcd containerd)

# from_template NAME FILE: an unchanged file stays, since kube-proxy ends when its own is written.
from_template() {
	local text
	text=$(sed -e "s|{{run}}|$run|g" -e "s|{{name}}|$cluster_name|g" -e "s|{{node}}|$node_name|g" \
		-e "s|{{address}}|$node_address|g" -e "s|{{runc}}|$(command -v runc)|g" \
		"$here/config/$1")
	[[ -f $2 && $(<"$2") == "$text" ]] || printf '%s\n' "$text" >"$2"
}

# In the network namespace, with the machine's own files.
start_connected() {
	start "$pids/$1" "$logs/$1.log" nsenter --net="$net_file" "${@:2}"
}

# In both namespaces. Programs are taken from $run/bin, which is $bin.
start_inside() {
	start "$pids/$1" "$logs/$1.log" nsenter "${inside_arguments[@]}" "${@:2}"
}

cluster_certificates() {
	local folder=$state/certificates server=https://127.0.0.1:6443 name
	api_server_certificates "$folder"
	certificate "$folder" scheduler /CN=system:kube-scheduler
	certificate "$folder" kubelet "/O=system:nodes/CN=system:node:$node_name"
	certificate "$folder" kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client
	certificate "$folder" kube-proxy /CN=system:kube-proxy
	for name in controller-manager scheduler kubelet kube-proxy; do
		kubeconfig "$folder" "$name" "$server" "$folder/$name.kubeconfig"
	done
	kubeconfig "$folder" admin "$server" "$inside_kubeconfig"
	kubeconfig "$folder" admin "https://127.0.0.1:$relay_port" "$host_kubeconfig"
}

start_containerd() {
	mkdir -p "$state/cni"
	from_template network.conflist "$state/cni/network.conflist"
	from_template containerd.toml "$state/containerd.toml"
	# The path is where containerd looks for its shim.
	start_inside containerd env PATH="$run/bin:$PATH" \
		"$run/bin/containerd" --config "$run/state/containerd.toml"
}

start_control_plane() {
	local command folder=$state/certificates
	etcd_command "$state/etcd" 2379 2380
	start_connected etcd "${command[@]}"

	api_server_command "$folder" 2379 6443 "$logs"
	command+=(--advertise-address="$node_address" --authorization-mode="Node,RBAC"
		--enable-admission-plugins=NodeRestriction
		--kubelet-preferred-address-types=InternalIP
		--kubelet-client-certificate="$folder/kubelet-client.crt"
		--kubelet-client-key="$folder/kubelet-client.key")
	start_connected api-server "${command[@]}"
	start_relay
	wait_for_api "$host_kubeconfig" "$pids/etcd" "$pids/api-server" "$pids/relay" || startup_failed
}

start_controllers() {
	local command folder=$state/certificates
	controller_manager_command "$folder" "$folder/controller-manager.kubeconfig"
	command+=(--allocate-node-cidrs --cluster-cidr=10.244.0.0/16)
	start_connected controller-manager "${command[@]}"
	start_connected scheduler "$bin/kube-scheduler" --leader-elect=false \
		--kubeconfig="$folder/scheduler.kubeconfig" \
		--authentication-kubeconfig="$folder/scheduler.kubeconfig" \
		--authorization-kubeconfig="$folder/scheduler.kubeconfig"
}

start_node() {
	local name
	for name in kubelet kube-proxy; do
		from_template "$name.yaml" "$state/$name.yaml"
	done
	start_inside kubelet env PATH="$run/bin:$PATH" "$run/bin/kubelet" \
		--config="$run/state/kubelet.yaml" \
		--kubeconfig="$run/state/certificates/kubelet.kubeconfig" \
		--root-dir="$run/state/kubelet" --cert-dir="$run/state/kubelet/pki" \
		--hostname-override="$node_name" --node-ip="$node_address"
	start_inside kube-proxy "$run/bin/kube-proxy" --config="$run/state/kube-proxy.yaml"
}

# The way from the machine into the network namespace.
start_relay() {
	local target="nsenter --net=$net_file socat STDIO TCP\\:127.0.0.1\\:6443"
	start "$pids/relay" "$logs/relay.log" \
		socat "TCP-LISTEN:$relay_port,bind=127.0.0.1,fork,reuseaddr" "EXEC:$target"
}
