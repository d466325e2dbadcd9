# shellcheck shell=bash
# The light profile: etcd and the API server as plain processes on loopback,
# with everything in one folder. It needs no root.

light_processes=(controller-manager api-server etcd)

free_port() {
	local port
	while :; do
		# Below the range of outgoing connections, beside the relays' ports.
		port=$((10000 + SRANDOM % 10000))
		# Nobody answers there: the port is free.
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
	done
	printf '%s' "$port"
}

light_start() {
	local folder=$1 etcd_port peer_port port command until=$((SECONDS + 60))
	etcd_port=$(free_port) peer_port=$(free_port) port=$(free_port)
	kubeconfig "$folder/certificates" admin "https://127.0.0.1:$port" "$folder/kubeconfig"

	etcd_command "$folder/etcd" "$etcd_port" "$peer_port"
	printf 'http://127.0.0.1:%s\n' "$etcd_port" >"$folder/etcd.address"
	start "$folder/pids/etcd" "$folder/logs/etcd.log" "${command[@]}"

	api_server_command "$folder/certificates" "$etcd_port" "$port"
	command+=(--bind-address=127.0.0.1 --authorization-mode=RBAC
		# There is no address for pods to reach it at, so none is published.
		--advertise-address=192.0.2.1 --endpoint-reconciler-type=none)
	if [[ ${CONTROLLERS:-} != 1 ]]; then
		# Nobody makes the default ServiceAccount, without which no pod could
		# be created.
		command+=(--disable-admission-plugins=ServiceAccount)
	fi
	local more
	read -d '' -ra more <<<"${API_SERVER_FLAGS:-}" || true
	command+=("${more[@]}")
	start "$folder/pids/api-server" "$folder/logs/api-server.log" "${command[@]}"

	wait_for_api "$folder/kubeconfig" "$folder/pids/etcd" "$folder/pids/api-server" || return 1

	[[ ${CONTROLLERS:-} == 1 ]] || return 0
	kubeconfig "$folder/certificates" controller-manager "https://127.0.0.1:$port" \
		"$folder/certificates/controller-manager.kubeconfig"
	controller_manager_command "$folder/certificates" \
		"$folder/certificates/controller-manager.kubeconfig"
	command+=(--secure-port=0)
	start "$folder/pids/controller-manager" "$folder/logs/controller-manager.log" "${command[@]}"
	until has_service_account "$folder/kubeconfig"; do
		pid_of "$folder/pids/controller-manager" >/dev/null && ((SECONDS < until)) || return 1
		sleep 0.1
	done
}

light_stop() {
	local files=("${light_processes[@]/#/$1/pids/}")
	stop 5 "${files[@]}"
}

# light_runs FOLDER: whether all runs that is asked for.
light_runs() {
	pid_of "$1/pids/etcd" >/dev/null && pid_of "$1/pids/api-server" >/dev/null &&
		{ [[ ${CONTROLLERS:-} != 1 ]] || pid_of "$1/pids/controller-manager" >/dev/null; }
}

light_up() {
	local folder=$1 began attempt
	began=$(now)
	mkdir -p "$folder"/{pids,logs}
	folder=$(cd "$folder" && pwd)
	build_tools "${light_tools[@]}"
	if [[ ${CONTROLLERS:-} == 1 ]]; then
		build_tools kube-controller-manager
	fi
	if light_runs "$folder"; then
		printf '%s\n' "$folder/kubeconfig"
		return 0
	fi
	light_stop "$folder"
	# A folder that was used before keeps its objects and certificates.
	[[ -f $folder/certificates/admin.crt ]] || api_server_certificates "$folder/certificates"
	# Another process may take one of the ports in between: then others.
	for attempt in 1 2 3; do
		if light_start "$folder"; then
			say "control plane ready in $(elapsed "$began") s"
			printf '%s\n' "$folder/kubeconfig"
			return 0
		fi
		light_stop "$folder"
		say "start $attempt of the control plane failed"
	done
	tail -n 5 "$folder"/logs/*.log >&2
	fail "the control plane did not start; its logs are in $folder/logs."
}

light_down() {
	[[ -d $1/pids ]] || fail "no control plane was started in '$1'."
	light_stop "$(cd "$1" && pwd)"
}

# light_restart FOLDER PROCESS: kills one of them and starts it again as it was.
light_restart() {
	local folder pid until=$((SECONDS + 60)) command
	[[ $2 =~ ^(etcd|api-server)$ ]] || fail "nothing named '$2' can be restarted: it is etcd or api-server."
	[[ -d $1/pids ]] || fail "no control plane was started in '$1'."
	folder=$(cd "$1" && pwd)
	pid=$(pid_of "$folder/pids/$2") || fail "$2 does not run in '$1'."
	mapfile -d '' -t command <"/proc/$pid/cmdline"
	kill -KILL "$pid"
	while pid_of "$folder/pids/$2" >/dev/null; do sleep 0.01; done
	while ((SECONDS < until)); do
		start "$folder/pids/$2" "$folder/logs/$2.log" "${command[@]}"
		# It ends at once while something still holds its port.
		if wait_for_api "$folder/kubeconfig" "$folder"/pids/{etcd,api-server}; then
			return 0
		fi
	done
	fail "$2 did not start again; its log is in $folder/logs."
}
