# shellcheck shell=bash
# Starting and ending background processes. A process is known by its pid and
# its start time together, kept in a file: a pid alone may by now belong to
# somebody else's process.

# The start time of a live process; empty if there is none (or a zombie).
start_time() {
	local line
	{ line=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
	line=${line##*) } # the name before it may contain blanks
	read -ra fields <<<"$line"
	[[ ${fields[0]} == Z ]] || printf '%s' "${fields[19]}"
}

# pid_of FILE: the pid if the process of that file still lives.
pid_of() {
	local pid started
	[[ -f $1 ]] || return 1
	read -r pid started <"$1" || return 1
	[[ -n $started && $(start_time "$pid") == "$started" ]] || return 1
	printf '%s' "$pid"
}

# start FILE LOG COMMAND...: runs the command in the background, apart from
# this terminal, and writes down who it is; nothing if it already lives.
start() {
	local file=$1 log=$2
	shift 2
	! pid_of "$file" >/dev/null || return 0
	# A lock held by this script, or by whoever called it, must not live on in
	# the process: it would be held for as long as the cluster runs.
	# shellcheck disable=SC2016 # for the inner shell
	setsid bash -c '
		for descriptor in /proc/self/fd/*; do
			descriptor=${descriptor##*/}
			((descriptor < 3)) || eval "exec $descriptor>&-"
		done
		exec "$@"
	' start "$@" >>"$log" 2>&1 </dev/null &
	local pid=$!
	printf '%s %s\n' "$pid" "$(start_time "$pid")" >"$file"
	disown "$pid"
}

# stop SECONDS FILE...: asks all of them to end, and kills after the seconds.
stop() {
	local seconds=$1 file pid waited=0
	shift
	for file in "$@"; do
		if pid=$(pid_of "$file"); then
			kill -TERM "$pid" 2>/dev/null || true
		fi
	done
	for file in "$@"; do
		while pid=$(pid_of "$file"); do
			if ((waited >= seconds * 20)); then
				kill -KILL "$pid" 2>/dev/null || true
			fi
			sleep 0.05
			waited=$((waited + 1))
		done
		rm -f "$file"
	done
}
