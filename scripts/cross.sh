#!/usr/bin/env bash
# Vets every module for systems and processors other than this machine's, and runs tests as 32-bit
# programs, which an amd64 machine can do.
#
# On two cores it takes 5 minutes with an empty build cache, which must compile the standard library
# for each system, and 10 seconds when nothing has changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CGO_ENABLED=0

platforms=(linux/386 linux/arm linux/arm64 darwin/arm64 windows/amd64 freebsd/amd64 plan9/amd64 js/wasm)

for platform in "${platforms[@]}"; do
	echo "cross: go vet for $platform"
	# vet never runs what it compiles. Without inlining, compiling takes a quarter less time.
	# The tests below need linux/386 as it is.
	flags=(-gcflags=all=-l)
	[[ $platform != linux/386 ]] || flags=()
	packages=(work)
	case $platform in # two modules that are not released use libraries for fewer systems
	plan9/* | js/*) mapfile -t packages < <(go list work | grep -vE '/(conformance/strangers|observe/page/browser)$') ;;
	esac
	GOOS=${platform%/*} GOARCH=${platform#*/} go vet "${flags[@]}" "${packages[@]}"
done

case $(go env GOHOSTOS)/$(go env GOHOSTARCH) in
*/386 | linux/amd64 | windows/amd64 | freebsd/amd64) ;;
*)
	echo "cross: this machine runs no 386 programs, so the tests are left out" >&2
	[[ -z ${CI:-} ]] || exit 1
	exit 0
	;;
esac
export GOARCH=386

# The drivers of servers are left out: their tests run the conformance suite on a server that they
# start, and mostly wait for items to expire. go list -test also prints the test programs, called
# package.test; Deps lists all packages in one.
listed=$(go list -test -f '{{.ImportPath}} {{join .Deps " "}}' work)
packages=$(awk '
	$1 !~ /\.test$/ { next }
	{
		suite = server = 0
		for (i = 2; i <= NF; i++) {
			if ($i ~ /\/cachewire\/conformance$/) suite = 1
			if ($i ~ /\/(memcache|redis)test$/) server = 1
		}
		if (!suite || !server) print substr($1, 1, length($1) - length(".test"))
	}' <<<"$listed")
echo "cross: go test for $(go env GOOS)/$GOARCH"
go test $packages
