# shellcheck shell=bash
# The cgroups under which the kubelet puts all pods of this cluster.

cgroup_mount=/sys/fs/cgroup

is_cgroup_v2() { [[ -f $cgroup_mount/cgroup.controllers ]]; }

# The cluster's folder in each hierarchy, whether it exists or not.
cgroup_folders() {
	local hierarchy
	if is_cgroup_v2; then
		printf '%s\n' "$cgroup_mount/$cluster_name"
		return
	fi
	for hierarchy in "$cgroup_mount"/*/; do
		# Some are links to a hierarchy of several controllers.
		[[ -L ${hierarchy%/} || ! -f $hierarchy/cgroup.procs ]] ||
			printf '%s\n' "$hierarchy$cluster_name"
	done
}

# The kubelet wants its root to exist in every hierarchy.
cgroups_up() {
	local folder setting controller
	if is_cgroup_v2; then
		for controller in cpu cpuset memory pids io; do
			echo "+$controller" >"$cgroup_mount/cgroup.subtree_control" 2>/dev/null || true
		done
	fi
	while read -r folder; do
		mkdir -p "$folder"
		# A cpuset of version 1 begins empty and then takes no process.
		for setting in cpuset.cpus cpuset.mems; do
			if ! is_cgroup_v2 && [[ -f $folder/$setting ]]; then
				cat "$(dirname "$folder")/$setting" >"$folder/$setting"
			fi
		done
	done < <(cgroup_folders)
}

# The pids of all processes of all pods.
processes_of_pods() {
	local folder
	while read -r folder; do
		[[ ! -d $folder ]] || find "$folder" -name cgroup.procs -exec cat {} + 2>/dev/null || true
	done < <(cgroup_folders) | sort -un
}

cgroups_down() {
	local folder
	while read -r folder; do
		[[ ! -d $folder ]] || find "$folder" -depth -type d -exec rmdir {} \; 2>/dev/null || true
	done < <(cgroup_folders)
}
