# shellcheck shell=bash
# Starting, judging and ending the whole cluster.

# exclusively: one start or stop at a time; another waits for it.
exclusively() {
	mkdir -p "$home" "$logs" "$pids"
	exec 9>"$home/lock"
	flock 9
	[[ ! -d /run/hidden ]] || fail "this shell is inside the cluster; leave it first."
}

# step NAME COMMAND...: runs it and notes how long it took.
steps=
step() {
	local name=$1 began
	began=$(now)
	shift
	"$@"
	steps+="${steps:+, }$name $(elapsed "$began")"
}

cluster_up() {
	local began name
	began=$(now)
	require_machine
	exclusively
	step packages install_packages
	require_kernel
	step programs build_tools "${light_tools[@]}" "${full_tools[@]}" helm
	if ! pid_of "$pids/holder" >/dev/null; then
		# Without its namespaces nothing of an earlier cluster can go on.
		end_all
		rm -f "$logs"/*.log
		step namespaces namespaces_up
		step certificates cluster_certificates
	fi
	cgroups_up
	find_inside
	start_containerd
	step API start_control_plane
	start_controllers
	start_node
	step images pause_image
	step node wait_for_node
	say "ready in $(elapsed "$began") s ($steps)"
}

startup_failed() {
	local name
	for name in "${node_processes[@]}"; do
		pid_of "$pids/$name" >/dev/null && continue
		say "$name does not run; the end of $logs/$name.log:"
		tail -n 5 "$logs/$name.log" >&2 2>/dev/null || true
	done
	fail "the cluster did not start; its logs are in $logs."
}

node_is_ready() {
	"$bin/kubectl" --kubeconfig="$host_kubeconfig" get node "$node_name" \
		-o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}' 2>/dev/null | grep -q True
}

all_run() {
	local name
	for name in holder "${node_processes[@]}"; do
		pid_of "$pids/$name" >/dev/null || return 1
	done
}

wait_for_node() {
	local until=$((SECONDS + 90))
	until node_is_ready && has_service_account "$host_kubeconfig"; do
		if ! all_run || ((SECONDS >= until)); then
			startup_failed
		fi
		sleep 0.1
	done
	all_run || startup_failed
}

cluster_status() {
	local name pid result=0
	for name in holder "${node_processes[@]}"; do
		if pid=$(pid_of "$pids/$name"); then
			printf '%-20s pid %s\n' "$name" "$pid"
		else
			printf '%-20s not running\n' "$name"
			result=1
		fi
	done
	if ((result == 0)) && node_is_ready; then
		printf '%-20s ready; kubeconfig %s\n' "$node_name" "$host_kubeconfig"
	else
		printf '%-20s not ready\n' "$node_name"
		result=1
	fi
	return "$result"
}

cluster_down() {
	local began
	began=$(now)
	require_machine
	exclusively
	step pods delete_pods
	end_all
	say "down in $(elapsed "$began") s ($steps)"
}

# The kubelet ends pods better than anybody, if it can: a bounded attempt.
delete_pods() {
	pid_of "$pids/kubelet" >/dev/null && pid_of "$pids/containerd" >/dev/null &&
		pid_of "$pids/api-server" >/dev/null && pid_of "$pids/etcd" >/dev/null || return 0
	# They would replace the pods.
	stop 5 "$pids/scheduler" "$pids/controller-manager"
	"$bin/kubectl" --kubeconfig="$host_kubeconfig" --request-timeout=5s delete pods \
		--all-namespaces --all --grace-period=1 --timeout=15s >"$logs/delete.log" 2>&1 ||
		say "not all pods could be deleted; their processes are ended now"
}

# Ends everything, whatever is left of it, and removes all traces but logs,
# programs and images.
end_all() {
	local name files=()
	for name in "${node_processes[@]}"; do
		files+=("$pids/$name")
	done
	step processes stop 5 "${files[@]}"
	step rest end_what_is_left
	namespaces_down
	cgroups_down
	rm -rf --one-file-system "$state" "$host_kubeconfig" "$inside_kubeconfig"
}

# Shims and containers that nobody ended, and the holder.
end_what_is_left() {
	local found attempt
	for attempt in {1..100}; do
		found=$(
			processes_of_pods
			processes_inside
		)
		[[ -n $found ]] || return 0
		# shellcheck disable=SC2086 # several pids
		kill -KILL $found 2>/dev/null || true
		sleep 0.05
	done
	fail "these processes of the cluster do not end: ${found//$'\n'/ }."
}
