#!/bin/sh
# machine.sh: fetches, once, the kernels that `make machine` boots, from Debian's
# packages into build/machine/kernels/ARCH/. Remove that folder to get newer ones.
set -eu
cd "$(dirname "$0")/.."
tools/setup.sh machine
for arch in armhf:armmp arm64:arm64 amd64:amd64; do
	into=build/machine/kernels/${arch%%:*}
	[ ! -d "$into" ] || continue
	mkdir -p build/machine/kernels
	tools/debs.sh "${arch%%:*}" "$into" "linux-image-${arch##*:}^"
	# Newer packages hold compressed modules, which the initramfs has no use for.
	find "$into" \( -name 'i2c-*.ko.xz' -o -name 'at24.ko.xz' \) -exec xz -d {} +
done
