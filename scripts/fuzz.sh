#!/usr/bin/env bash
# Fuzzes every Fuzz function of every module, one after another: scripts/fuzz.sh 5s, or 1000x.
# (go test -fuzz takes one function of one package at a time.)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fuzztime=${1:?usage: scripts/fuzz.sh 5s|1000x}

# go test -list prints a package's functions, and below them "ok" and the package.
listed=$(go test -list='^Fuzz' work) || {
	printf '%s\n' "$listed" >&2
	exit 1
}
targets=$(awk '
	/^Fuzz/      { name[n++] = $1 }
	$1 == "ok"   { for (i = 0; i < n; i++) print $2, name[i]; n = 0 }' <<<"$listed")

if [[ -z $targets ]]; then
	echo "fuzz: no Fuzz functions yet"
	exit 0
fi
while read -r package name; do
	echo "fuzz: $package $name for $fuzztime"
	go test -run='^$' -fuzz="^$name\$" -fuzztime="$fuzztime" "$package" </dev/null
done <<<"$targets"
