# shellcheck shell=bash
# What the machine must have: checked first, so that nothing fails half way.

# A program of each Debian package, and the package.
debian_packages=(
	runc:runc nft:nftables iptables:iptables conntrack:conntrack
	ethtool:ethtool socat:socat modprobe:kmod ip:iproute2 buildah:buildah
	openssl:openssl
)

require_machine() {
	[[ $(uname -s) == Linux ]] || fail "this cluster needs Linux; on another system use CLUSTER=existing with a cluster you have."
	((EUID == 0)) || fail "this needs root, for namespaces and cgroups: run it with sudo, or use CLUSTER=existing."
	PATH=$PATH:/usr/sbin:/sbin
}

install_packages() {
	local pair missing=()
	for pair in "${debian_packages[@]}"; do
		command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
	done
	((${#missing[@]})) || return 0
	command -v apt-get >/dev/null ||
		fail "missing programs: install the packages ${missing[*]} (only Debian's are installed by itself)."
	say "installing ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	mkdir -p "$logs"
	if ! { apt-get update && apt-get install -y --no-install-recommends "${missing[@]}"; } \
		>"$logs/packages.log" 2>&1; then
		tail -n 5 "$logs/packages.log" >&2
		fail "installing ${missing[*]} failed; see $logs/packages.log."
	fi
}

# Kernel parts that may be modules. Without br_netfilter the answers between
# two pods of the node would bypass the translation of Service addresses.
require_kernel() {
	grep -qw overlay /proc/filesystems || modprobe overlay ||
		fail "the kernel has no overlay file system."
	[[ -d /proc/sys/net/bridge ]] || modprobe br_netfilter ||
		fail "the kernel has no br_netfilter module."
}
