# shellcheck shell=bash
# Images, built from a Dockerfile without Docker and handed to containerd.
# The archives are kept, so a new cluster only has to import them.

images=$home/images

# image_source DIR FILE: all that the image is made of, as one hash.
image_source() {
	{
		tar -C "$1" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf - .
		cat -- "$2"
	} | sha256sum | cut -c1-16
}

ctr() { inside "$run/bin/ctr" --address "$run/containerd.sock" --namespace k8s.io "$@"; }

# image DIR TAG [FILE]: builds what has changed and imports what is not there.
image() {
	local folder=$1 tag=$2 file=${3:-$1/Dockerfile} began archive source
	began=$(now)
	[[ -d $folder ]] || fail "there is no folder '$folder' to build $tag from."
	[[ -f $file ]] || fail "there is no Dockerfile '$file' to build $tag with."
	require_machine
	find_inside
	mkdir -p "$images" "$state/images"
	archive=$images/${tag//[^A-Za-z0-9._-]/_}
	source=$(image_source "$folder" "$file")
	if [[ ! -f $archive.tar || ! -f $archive.source || $(<"$archive.source") != "$source" ]]; then
		build_image "$folder" "$tag" "$file" "$archive"
		printf '%s' "$source" >"$archive.source"
	fi
	if [[ $(ctr images ls -q "name==$tag" 2>/dev/null) == "$tag" ]] &&
		[[ $(cat "$state/images/${archive##*/}" 2>/dev/null) == "$source" ]]; then
		say "image $tag is there already ($(elapsed "$began") s)"
		return 0
	fi
	ctr images import --local "$archive.tar" >>"$logs/images.log" 2>&1 ||
		fail "importing $tag failed; see $logs/images.log."
	printf '%s' "$source" >"$state/images/${archive##*/}"
	say "image $tag is ready ($(elapsed "$began") s)"
}

# build_image DIR TAG FILE ARCHIVE: writes ARCHIVE.tar.
build_image() {
	local folder=$1 tag=$2 file=$3 archive=$4
	local buildah=(buildah --root "$images/storage" --runroot "$images/running" --storage-driver vfs)
	rm -f "$archive.tar" "$archive.source"
	{
		flock 7
		"${buildah[@]}" bud --isolation chroot -t "$tag" -f "$file" "$folder" &&
			"${buildah[@]}" push "$tag" "oci-archive:$archive.tar:$tag" &&
			# Its copies of all files are of no more use.
			"${buildah[@]}" rmi --all --force
	} >>"$logs/images.log" 2>&1 7>"$images/build.lock" || {
		tail -n 5 "$logs/images.log" >&2
		fail "building $tag failed; see $logs/images.log."
	}
}

# The image of the first process of every pod.
pause_image() {
	mkdir -p "$images/pause"
	cp -p "$bin/pause" "$here/tools/pause/Dockerfile" "$images/pause/"
	image "$images/pause" localhost/pause:1
}
