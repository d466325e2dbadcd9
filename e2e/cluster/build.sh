# shellcheck shell=bash
# Builds the pinned Go programs into $bin. The folders under tools/ hold one
# go.mod for each group of programs that can share one.

component_version=v1.36.3
go_flags=(-trimpath -mod=readonly -buildvcs=false)

light_tools=(etcd kube-apiserver kubectl)
full_tools=(kube-controller-manager kube-scheduler kubelet kube-proxy
	cni/bridge cni/host-local cni/loopback cni/portmap
	containerd containerd-shim-runc-v2 ctr pause)

# tool_source NAME: sets module, package and tags.
tool_source() {
	module=kubernetes tags=
	case $1 in
	etcd) package=go.etcd.io/etcd/server/v3 ;;
	kube*) package=k8s.io/kubernetes/cmd/$1 ;;
	cni/host-local) package=github.com/containernetworking/plugins/plugins/ipam/host-local ;;
	cni/portmap) package=github.com/containernetworking/plugins/plugins/meta/portmap ;;
	cni/*) package=github.com/containernetworking/plugins/plugins/main/${1#cni/} ;;
	containerd* | ctr)
		module=containerd
		package=github.com/containerd/containerd/v2/cmd/$1
		tags=no_btrfs,no_zfs,no_devmapper
		;;
	pause) module=pause package=. ;;
	helm) module=helm package=helm.sh/helm/v4/cmd/helm ;;
	kwok) module=kwok package=sigs.k8s.io/kwok/cmd/kwok ;;
	*) fail "no tool named '$1'" ;;
	esac
}

# Charts with a kubeVersion refuse a cluster that does not know its version.
link_flags() {
	local version=k8s.io/component-base/version
	printf '%s' '-s -w'
	[[ $module == kubernetes ]] || return 0
	printf ' -X %s' \
		"$version.gitVersion=$component_version" \
		"$version.gitMajor=1" "$version.gitMinor=36" \
		"$version.gitTreeState=clean" \
		"k8s.io/client-go/pkg/version.gitVersion=$component_version"
}

# The sources of one module, as one hash.
module_hash() {
	(
		shopt -s nullglob
		cd "$here/tools/$module" || exit
		cat -- *.go go.mod go.su[m]
	) | sha256sum
}

# is_built NAME: also sets module, package, tags and stamp. The stamp is what
# the build depends on; the one of the last build lies beside the programs.
is_built() {
	local stamp_file=$bin/.built/${1//\//-}
	tool_source "$1"
	stamp="${module_hashes[$module]:=$(module_hash)} ${go_flags[*]} $tags $package $(link_flags)"
	[[ -x $bin/$1 && -f $stamp_file && $(<"$stamp_file") == "$stamp" ]]
}

build_tool() {
	local name=$1 module package tags stamp began folder
	is_built "$name" && return 0
	command -v go >/dev/null ||
		fail "Go is missing: install Go 1.26 or newer (https://go.dev/dl/) and put it into the PATH."
	folder=$(dirname "$bin/$name")
	mkdir -p "$folder" "$bin/.built"
	began=$(now)
	printf 'cluster: building %s ... ' "$name" >&2
	(
		cd "$here/tools/$module"
		# A workspace around the checkout would change the pinned versions.
		export CGO_ENABLED=0 GOFLAGS='' GOWORK=off
		nice -n 5 go build "${go_flags[@]}" ${tags:+-tags "$tags"} \
			-ldflags "$(link_flags)" -o "$folder/.new-${name##*/}" "$package"
	) || fail "building $name failed; the lines above say why."
	# A rename, since the program may be running just now.
	mv "$folder/.new-${name##*/}" "$bin/$name"
	printf '%s' "$stamp" >"$bin/.built/${name//\//-}"
	printf '%.0f s\n' "$(elapsed "$began")" >&2
}

# build_tools NAME...: only one build at a time; a second waits for the first.
build_tools() {
	local name module package tags stamp
	local -A module_hashes=()
	local missing=()
	for name in "$@"; do
		is_built "$name" || missing+=("$name")
	done
	((${#missing[@]})) || return 0
	mkdir -p "$bin"
	{
		flock 8
		for name in "${missing[@]}"; do
			build_tool "$name" 8>&-
		done
	} 8>"$home/build.lock"
}

# The verb `tools`.
tools() {
	case ${1:-} in
	'') build_tools "${light_tools[@]}" "${full_tools[@]}" helm ;;
	light) build_tools "${light_tools[@]}" helm ;;
	*) build_tools "$@" ;;
	esac
}
