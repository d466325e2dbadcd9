# shellcheck shell=bash
# The verbs of CLUSTER=existing, where the cluster is the one of the current
# kubeconfig.

existing() {
	local verb=$1
	shift
	case $verb in
	up | down | status)
		say "CLUSTER=existing: the cluster of your kubeconfig is used as it is; nothing is started or ended."
		;;
	image)
		say "CLUSTER=existing: ${2:-the image} was not built; push it yourself to where your nodes pull from."
		;;
	kubeconfig) printf '%s\n' "${KUBECONFIG:-$HOME/.kube/config}" ;;
	exec) PATH=$bin:$PATH exec "$@" ;;
	shell) PATH=$bin:$PATH exec bash ;;
	*) usage ;;
	esac
}
