#!/bin/sh
# debs.sh ARCH INTO PACKAGE...: unpacks Debian packages of an architecture, their
# newest version, beneath the folder INTO. PACKAGE^ is what the package depends on
# first, for names that mean "the newest kernel". apt has a state of its own for
# it, in build/apt/ARCH; this machine's apt and dpkg are not told of any foreign
# architecture, and nothing is installed.
set -eu
cd "$(dirname "$0")/.."
arch=$1 into=$2
shift 2
if ! command -v apt-get >/dev/null; then
	echo "debs: no apt-get here to fetch $* for $arch with." >&2
	echo "  Unpack them beneath $into, and run it again." >&2
	exit 1
fi
apt=$PWD/build/apt/$arch
rm -rf "$into" "$into.part" "$apt"
mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$into.part"
: >"$apt/state/status"
cat >"$apt/apt.conf" <<-CONF
	APT::Architecture "$arch";
	APT::Architectures { "$arch"; };
	APT::Sandbox::User "";
	Dir::State "$apt/state";
	Dir::State::status "$apt/state/status";
	Dir::Cache "$apt/cache";
CONF
export APT_CONFIG="$apt/apt.conf"
echo "debs: fetching $* for $arch (apt state of its own: build/apt/$arch)"
# One list that is being renewed at its source leaves the others good.
(
	cd "$apt"
	{ apt-get update -q || echo "debs: not every list came"; } >log 2>&1
	for package; do
		case $package in
		*^)
			real=$(apt-cache depends "${package%^}" 2>>log | awk '/Depends:/ { print $2; exit }')
			package=${real:-${package%^}}
			;;
		esac
		apt-get download -q "$package" >>log 2>&1 || {
			cat log >&2
			echo "debs: apt could not fetch $package for $arch; the reason stands above" >&2
			exit 1
		}
	done
)
for deb in "$apt"/*.deb; do
	dpkg-deb -x "$deb" "$into.part"
	rm "$deb"
done
mv "$into.part" "$into"
