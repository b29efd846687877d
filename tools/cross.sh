#!/bin/sh
# cross.sh: builds for the Raspberry Pi into build/cross/ARCH/: the worker side
# for arm64, arm (version 6 on, so every Pi) and amd64, which needs nothing but
# Go, and for arm64 the supervisor too, which needs Debian's cross compiler and
# an arm64 libseccomp, which tools/debs.sh fetches and unpacks under build/cross/.
set -eu
cd "$(dirname "$0")/.."
umask 022
go=${GO:-go}
out=build/cross
workers=$(for w in sampler store alarm rogue; do echo "./examples/sensor-logger/$w"; done)

for arch in arm64 arm amd64; do
	mkdir -p "$out/$arch/workers"
	echo "cross: worker side for $arch"
	(
		export CGO_ENABLED=0 GOOS=linux GOARCH="$arch" GOARM=6
		"$go" build -trimpath -buildvcs=false -o "$out/$arch/" ./cmd/worker
		# shellcheck disable=SC2086
		"$go" build -trimpath -buildvcs=false -o "$out/$arch/workers/" $workers
		# Nothing else may depend on this machine: the public packages alone.
		"$go" build ./pkg/...
	)
done

CGO_ENABLED=0 GOOS=linux GOARCH=arm64 "$go" build -trimpath -buildvcs=false -o "$out/arm64/" ./cmd/sallyport

root=$PWD/$out/libseccomp-arm64
triplet=aarch64-linux-gnu

if [ "$(uname -m)" = aarch64 ]; then
	echo "cross: supervisor for arm64, which this machine is"
	CGO_ENABLED=1 "$go" build -trimpath -buildvcs=false -o "$out/arm64/" ./cmd/supervisor
else
	tools/setup.sh cross
	[ -e "$root/usr/lib/$triplet/libseccomp.so.2" ] || tools/debs.sh arm64 "$root" libseccomp2 libseccomp-dev
	echo "cross: supervisor for arm64"
	# CGO_LDFLAGS: what pkg-config said is no part of the go command's cache key,
	# and another clone's library would be looked for.
	CGO_ENABLED=1 GOOS=linux GOARCH=arm64 CC=$triplet-gcc CGO_LDFLAGS="-O2 -g -L$root/usr/lib/$triplet" \
		PKG_CONFIG_LIBDIR="$root/usr/lib/$triplet/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$root" \
		"$go" build -trimpath -buildvcs=false -o "$out/arm64/" ./cmd/supervisor
fi

# Said only after it was looked at: the file is for the machine it should be for.
for arch in arm64 arm amd64; do
	for file in "$out/$arch"/* "$out/$arch"/workers/*; do
		[ -f "$file" ] || continue
		"$go" version -m "$file" | grep -q "GOARCH=$arch" || {
			echo "cross: $file is not for $arch" >&2
			exit 1
		}
	done
done
echo "cross: built $out/arm64 (with the supervisor) $out/arm $out/amd64"
