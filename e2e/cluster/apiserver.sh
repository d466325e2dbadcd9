# shellcheck shell=bash
# etcd, the API server and the controllers, as both profiles start them: each
# function fills the array `command`.

etcd_command() { # DATA CLIENT_PORT PEER_PORT
	local client=http://127.0.0.1:$2 peer=http://127.0.0.1:$3
	command=("$bin/etcd" --name=etcd --data-dir="$1" --log-level=warn
		--listen-client-urls="$client" --advertise-client-urls="$client"
		--listen-peer-urls="$peer" --initial-advertise-peer-urls="$peer"
		--initial-cluster="etcd=$peer"
		# Only a crash of the machine could lose data, and it is test data.
		--unsafe-no-fsync)
}

api_server_command() { # CERTIFICATES ETCD_PORT PORT
	local certificates=$1
	command=("$bin/kube-apiserver"
		--etcd-servers="http://127.0.0.1:$2" --secure-port="$3"
		--tls-cert-file="$certificates/api-server.crt"
		--tls-private-key-file="$certificates/api-server.key"
		--client-ca-file="$certificates/ca.crt"
		--service-account-issuer=https://kubernetes.default.svc
		--service-account-key-file="$certificates/service-account.pub"
		--service-account-signing-key-file="$certificates/service-account.key"
		--service-cluster-ip-range=10.96.0.0/16
		--allow-privileged=true)
}

controller_manager_command() { # CERTIFICATES KUBECONFIG
	command=("$bin/kube-controller-manager"
		--kubeconfig="$2" --leader-elect=false --use-service-account-credentials
		--root-ca-file="$1/ca.crt"
		--service-account-private-key-file="$1/service-account.key")
}

# wait_for_api KUBECONFIG PID_FILE...: fails as soon as one of them has ended.
wait_for_api() {
	local kubeconfig=$1 file until=$((SECONDS + 60))
	shift
	while ((SECONDS < until)); do
		for file in "$@"; do
			pid_of "$file" >/dev/null || return 1
		done
		if "$bin/kubectl" --kubeconfig="$kubeconfig" get --raw /readyz >/dev/null 2>&1; then
			return 0
		fi
		sleep 0.1
	done
	return 1
}

# has_service_account KUBECONFIG: without it no pod can be created.
has_service_account() {
	"$bin/kubectl" --kubeconfig="$1" -n default get serviceaccount default >/dev/null 2>&1
}
