#!/usr/bin/env bash
# Runs every Fuzz function of every module, one after another, each for a time or a number of
# inputs:
#
#	scripts/fuzz.sh 5s
#	scripts/fuzz.sh 1000x
#
# go test -fuzz takes only one function of one package.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fuzztime=${1:?usage: scripts/fuzz.sh 5s|1000x}

# For each package, go test -list prints the functions, and then a line with "ok" and the
# package.
listed=$(go test -list='^Fuzz' work) || {
	printf '%s\n' "$listed" >&2
	exit 1
}
targets=$(awk '
	/^Fuzz/      { name[n++] = $1 }
	$1 == "ok"   { for (i = 0; i < n; i++) print $2, name[i]; n = 0 }' <<<"$listed")

if [[ -z $targets ]]; then
	echo "fuzz: there are no Fuzz functions"
	exit 0
fi
while read -r package name; do
	echo "fuzz: $package $name for $fuzztime"
	go test -run='^$' -fuzz="^$name\$" -fuzztime="$fuzztime" "$package" </dev/null
done <<<"$targets"
