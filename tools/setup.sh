#!/bin/sh
# setup.sh WHAT: does this machine have what WHAT (build, cross, integration, machine,
# model) needs? As root on a machine with apt, what is missing is installed and said;
# otherwise the line to type is printed and the exit code is 1, so that make
# stops before it builds anything. NO_INSTALL=1 never installs.
set -eu

go=${GO:-go}
what=${1:-build}
apt='' dnf='' pacman='' why=''

# need TEXT APT DNF PACMAN: TEXT is missing; these packages have it.
need() {
	why="$why  $1
"
	apt="$apt $2" dnf="$dnf $3" pacman="$pacman $4"
}

have() { command -v "$1" >/dev/null 2>&1; }

# Headers are tried, not looked for: a distribution may keep them anywhere.
compiles() { printf '#include <%s>\n' "$1" | gcc -E - >/dev/null 2>&1; }

needed_to_build() {
	have git || need "git" git git git
	have make || need "make" make make make
	if ! have gcc; then
		need "gcc, a C compiler" "gcc libc6-dev" "gcc glibc-devel" gcc
	elif ! compiles stdlib.h; then
		need "the C library's headers" libc6-dev glibc-devel glibc
	fi
	have pkg-config || need "pkg-config" pkg-config pkgconf-pkg-config pkgconf
	if ! have pkg-config || ! pkg-config --atleast-version=2.5.0 libseccomp 2>/dev/null ||
		{ have gcc && compiles stdlib.h && ! compiles seccomp.h; }; then
		need "libseccomp 2.5 or later with its headers" libseccomp-dev libseccomp-devel libseccomp
	fi
}

needed_to_cross() {
	have dpkg-deb || need "dpkg-deb, to unpack Debian packages" dpkg dpkg dpkg
	have aarch64-linux-gnu-gcc ||
		need "gcc for arm64" "gcc-aarch64-linux-gnu libc6-dev-arm64-cross" gcc-aarch64-linux-gnu aarch64-linux-gnu-gcc
}

needed_for_model() {
	have spin || need "spin, the model checker (Debian and Ubuntu have it; source: spinroot.com)" spin spin spin
	have gcc && compiles stdlib.h || need "gcc with the C library's headers" "gcc libc6-dev" "gcc glibc-devel" gcc
}

needed_for_containers() {
	if ! have podman && ! have docker; then
		need "podman with runc, or docker" "podman runc" "podman runc" "podman runc"
	fi
	have mmdebstrap || have debootstrap ||
		need "mmdebstrap or debootstrap, to build the image" mmdebstrap debootstrap debootstrap
}

needed_for_machines() {
	have dpkg-deb || need "dpkg-deb, to unpack Debian packages" dpkg dpkg dpkg
	have xz || need "xz, to unpack kernel modules" xz-utils xz xz
	have qemu-system-arm && have qemu-system-aarch64 ||
		need "qemu for arm and arm64" qemu-system-arm "qemu-system-arm qemu-system-aarch64" "qemu-system-arm qemu-system-aarch64"
	have qemu-system-x86_64 || need "qemu for amd64" qemu-system-x86 qemu-system-x86 qemu-system-x86
}

# Go itself is not taken from the distribution, whose version is often too old:
# from 1.21 on it fetches the release that go.mod names, once.
check_go() {
	if ! have "$go"; then
		echo "setup: Go is missing. Install Go 1.26 (or any from 1.21 on, which fetches 1.26 by itself):" >&2
		echo "  https://go.dev/doc/install, and put its bin directory into PATH" >&2
		exit 1
	fi
	here=$(cd / && GOTOOLCHAIN=local GOFLAGS='' "$go" env GOVERSION 2>/dev/null) || here=unknown
	minor=$(echo "$here" | sed -n 's/^go1\.\([0-9][0-9]*\).*/\1/p')
	case $here in
	devel*) return ;;
	esac
	if [ -z "$minor" ] || [ "$minor" -lt 21 ]; then
		echo "setup: $go is $here: too old. Sallyport needs Go 1.26; a Go from 1.21 on fetches it by itself." >&2
		echo "  Install a newer one: https://go.dev/doc/install" >&2
		exit 1
	fi
	[ "$minor" -lt 26 ] || return 0
	echo "setup: $go is $here; it fetches Go 1.26 by itself, once"
	if ! said=$("$go" version 2>&1); then
		echo "setup: $go could not fetch Go 1.26: $said" >&2
		echo "  With GOTOOLCHAIN=local it may not: unset it (go env -u GOTOOLCHAIN), or install Go 1.26: https://go.dev/doc/install" >&2
		exit 1
	fi
}

install() {
	echo "setup: missing:"
	printf '%s' "$why"
	if [ "$(id -u)" != 0 ] || ! have apt-get || [ -n "${NO_INSTALL:-}" ]; then
		echo "setup: install it with the line for this system, then run make again:"
		echo "  sudo apt-get install -y$apt"
		echo "  sudo dnf install -y$dnf"
		echo "  sudo pacman -S --needed$pacman"
		exit 1
	fi
	export DEBIAN_FRONTEND=noninteractive
	log=$(mktemp)
	echo "setup: apt-get install$apt"
	# The lists of a fresh machine are empty, those of an old one out of date.
	# shellcheck disable=SC2086
	apt-get install -y -q --no-install-recommends $apt >"$log" 2>&1 </dev/null || {
		echo "setup: apt-get update, then once more"
		{ apt-get update -q && apt-get install -y -q --no-install-recommends $apt; } >"$log" 2>&1 </dev/null || {
			cat "$log" >&2
			rm -f "$log"
			echo "setup: apt-get could not install it; the reason stands above" >&2
			exit 1
		}
	}
	rm -f "$log"
	echo "setup: installed$apt"
}

case $what in
build) check=needed_to_build ;;
cross) check=needed_to_cross ;;
integration) check=needed_for_containers ;;
machine) check=needed_for_machines ;;
model) check=needed_for_model ;;
*)
	echo "usage: setup.sh build|cross|integration|machine|model" >&2
	exit 2
	;;
esac
$check
if [ -n "$why" ]; then
	install
	why='' apt=''
	$check
	if [ -n "$why" ]; then
		echo "setup: installed, and still missing:" >&2
		printf '%s' "$why" >&2
		exit 1
	fi
fi
case $what in
build | machine | model) check_go ;;
esac
