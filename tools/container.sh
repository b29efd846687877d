#!/usr/bin/env bash
# container.sh prepare: finds an engine (podman, docker) that can run a rootful
# container here, and gives it an image made from Debian packages; none is
# pulled. container.sh run TEST ARGS: runs a test binary in it, for
# `go test -exec`. Both are what `make integration` calls.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
top=$PWD
state=$top/build/container
reasons=$state/reasons
umask 022

# What the image holds beside Debian's essential packages.
include=libseccomp2

# The release of this machine, whose C library the supervisor was linked with;
# on a system that is no Debian, the newest there is.
release() {
	local ID='' VERSION_CODENAME=''
	. /etc/os-release
	case $ID in
	debian | ubuntu) echo "${VERSION_CODENAME:-sid}" ;;
	*) echo sid ;;
	esac
}

# limit FLAG WANT: a container's limits may not be above the hard ones here.
limit() {
	local hard
	hard=$(ulimit -H "$1")
	if [ "$hard" = unlimited ] || [ "$hard" -gt "$2" ]; then echo "$2"; else echo "$hard"; fi
}

# image_tar: the root file system as a tar, made once.
image_tar() {
	local suite=$1 tar=$2
	[ ! -e "$tar" ] || return 0
	echo "container: building the image from Debian packages ($suite + $include), once" >&2
	if command -v mmdebstrap >/dev/null; then
		mmdebstrap --quiet --variant=essential --include="$include" "$suite" "$state/new.tar" >"$state/image.log" 2>&1
	else
		rm -rf "$state/root"
		debootstrap --variant=minbase --include="$include" "$suite" "$state/root" >"$state/image.log" 2>&1 &&
			tar -C "$state/root" --numeric-owner -cf "$state/new.tar" . && rm -rf "$state/root"
	fi || {
		tail -n 20 "$state/image.log" >&2
		echo "container: the image could not be built; the reason stands above" >&2
		return 1
	}
	mv "$state/new.tar" "$tar"
}

# engines prints the command lines to try, the plain one first. The second form
# of podman is for machines without a service manager or with a hybrid cgroup
# tree; that of docker for daemons that refuse --privileged.
engines() {
	local limits
	limits="--network=none --ulimit nofile=$(limit -n 20000):$(limit -n 20000) --ulimit nproc=$(limit -u 1024):$(limit -u 1024)"
	if command -v podman >/dev/null; then
		if [ "$(id -u)" = 0 ]; then
			echo "podman run --privileged $limits"
			echo "podman --cgroup-manager=cgroupfs --runtime runc run --privileged $limits"
		else
			echo "container: podman is rootless for this user; as root it would do" >>"$reasons"
		fi
	fi
	if command -v docker >/dev/null; then
		if docker info >/dev/null 2>&1; then
			echo "docker run --privileged $limits"
			echo "docker run --cap-add=ALL --security-opt seccomp=unconfined --security-opt apparmor=unconfined $limits"
		else
			echo "container: docker is installed, but its daemon does not answer" >>"$reasons"
		fi
	fi
}

prepare() {
	mkdir -p "$state"
	rm -f "$state/engine"
	: >"$reasons"
	tools/setup.sh integration
	local suite image line engine said
	suite=$(release)
	image=localhost/sallyport-test:$suite-$(printf '%s' "$include" | cksum | cut -d ' ' -f 1)
	while IFS= read -r line; do
		engine=${line%% *}
		if ! "$engine" image inspect "$image" >/dev/null 2>&1; then
			image_tar "$suite" "$state/$suite.tar"
			if ! said=$("$engine" import "$state/$suite.tar" "$image" 2>&1); then
				echo "container: $engine does not take the image: ${said##*$'\n'}" >>"$reasons"
				continue
			fi
		fi
		# shellcheck disable=SC2086
		if said=$($line --rm "$image" /bin/true 2>&1 </dev/null); then
			echo "container: $line $image"
			printf '%s\n%s\n' "$line" "$image" >"$state/engine"
			return 0
		fi
		printf 'container: %s\n    does not work here: %s\n' "$line" "${said##*$'\n'}" >>"$reasons"
	done < <(engines)
	cat "$reasons" >&2
	echo "container: no engine can run a rootful container here; the reasons stand above" >&2
	return 1
}

# run TEST ARGS: the files go in as a tar, so that nothing of this machine is
# mounted inside, and belong to root there whoever owns them here.
run() {
	local test=$1 line image name=sallyport-test-$$
	shift
	{ read -r line && read -r image; } <"$state/engine" || {
		echo "container: not prepared: make integration" >&2
		return 1
	}
	# shellcheck disable=SC2064
	trap "${line%% *} rm -f $name >/dev/null 2>&1 || true" INT TERM HUP QUIT
	# shellcheck disable=SC2016,SC2086
	tar -c --owner=0 --group=0 --mode=go-w -C "$top" bin build/integration tests/integration \
		-C "$(dirname "$test")" --transform "s,^$(basename "$test")\$,integration.test," "$(basename "$test")" |
		$line --rm -i --name "$name" -e CI "$image" /bin/sh -c '
			umask 022
			mkdir /sallyport && cd /sallyport && tar -x && cd tests/integration &&
			exec /sallyport/integration.test "$@" </dev/null
		' sh "$@" &
	wait $!
}

case ${1:-} in
prepare) prepare ;;
run) shift && run "$@" ;;
*)
	echo "usage: container.sh prepare | run TEST ARGS..." >&2
	exit 2
	;;
esac
