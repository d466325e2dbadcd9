#!/usr/bin/env bash
# Runs as the first process of the private mount namespace: makes the mounts
# that keep the cluster from changing the machine, then sleeps to hold them.
# They all vanish with the namespace.
set -euo pipefail

run=$1 state=$2 bin=$3
PATH=$PATH:/usr/sbin:/sbin

# An own /run, where containerd and runc keep sockets at fixed paths. Only the
# cluster's folder of the machine's /run stays visible.
work=$(mktemp -d)
mount -t tmpfs -o mode=755 tmpfs "$work"
own=$work/${run#/run/}
mkdir -p "$run"/{state,bin} "$own"
mount --bind "$run" "$own"
mount --bind "$state" "$own/state"
mount --bind "$bin" "$own/bin"
mkdir -p "$work/lock" "$work/hidden"
mount --rbind "$work" /run
umount -R "$work"
rmdir "$work"

# What the kubelet, its plugins and the CNI write below these folders lands in
# memory; the folders below /run/hidden vanish with it.
for folder in /var/lib /var/log /opt; do
	[[ -d $folder ]] || continue
	layer=/run/hidden$folder
	mkdir -p "$layer/upper" "$layer/work"
	mount -t overlay overlay \
		-o "lowerdir=$folder,upperdir=$layer/upper,workdir=$layer/work" "$folder"
done

# The kubelet sets these for the whole machine: it sets plain files instead.
for setting in vm/overcommit_memory vm/panic_on_oom kernel/panic \
	kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
	file=/run/hidden/settings/$setting
	mkdir -p "$(dirname "$file")"
	cat "/proc/sys/$setting" >"$file"
	mount --bind "$file" "/proc/sys/$setting"
done

touch "$run/ready"
exec sleep infinity
