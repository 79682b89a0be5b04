#!/usr/bin/env bash
# Keeps the go.mod files of the workspace consistent.
#
#	scripts/modules.sh write   repairs every go.mod, including that of a new module, which
#	                           `go work use ./x` adds
#	scripts/modules.sh check   changes nothing, and fails if write would change something
#
# go.work is the one list of modules, and VERSION is the version that they require of each
# other. Every go.mod has the same replace block, so that a module also builds alone
# (GOWORK=off) from this tree. No go.mod may have another replace line: modules that depend on
# ours ignore it, so our tests would build something that users never get.
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."
unset GOWORK # always use the workspace of this tree

readonly go_version=1.25.0
readonly tools=./tools # the one module that is not in go.work; its go.mod says why
version=$(<VERSION)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# fields SECTION: reads the JSON of `go mod edit -json` from standard input, and prints a line
# "path version" for each entry of Require, or for the left side of each entry of Replace.
fields() {
	awk -F'"' -v section="$1" '
		/^\t"/                  { inside = $2 == section; left = 1 }
		!inside                 { next }
		$2 == "Old"             { left = 1 }
		$2 == "New"             { left = 0 }
		left && $2 == "Path"    { path[++n] = $4 }
		left && $2 == "Version" { version[n] = $4 }
		END                     { for (i = 1; i <= n; i++) print path[i], version[i] }'
}

# wanted_mod DIR: prints the go.mod that the module in DIR should have. It leaves the
# dependencies outside the workspace as they are.
wanted_mod() {
	local mod=$scratch/go.mod dir=$1 path at edits=()
	local up=${dir//[^\/]/} # one slash for each folder that contains it
	up=../${up//\//../}

	cp "$dir/go.mod" "$mod"
	while read -r path at; do
		[[ -z ${folder[$path]:-} ]] || edits+=("-require=$path@$version")
	done < <(go mod edit -json "$mod" | fields Require)
	while read -r path at; do
		edits+=("-dropreplace=$path${at:+@$at}")
	done < <(go mod edit -json "$mod" | fields Replace)
	go mod edit -go="$go_version" -toolchain=none "${edits[@]}" "$mod"

	{ # go mod edit -replace would write single lines, not a block
		printf '\nreplace ( // written by scripts/modules.sh, the same in every module\n'
		for path in "${paths[@]}"; do
			printf '\t%s => %s%s\n' "$path" "$up" "${folder[$path]}"
		done
		printf ')\n'
	} >>"$mod"
	go mod edit -fmt "$mod"
	cat "$mod"
}

write_all() {
	local dir
	go work edit -go="$go_version" -toolchain=none
	GOWORK=off go mod tidy -C "$tools"
	# Write all blocks before the first tidy, which reads the go.mod files of the siblings. Do
	# it twice: the first tidy finds what a new module requires, and the second one uses that
	# for the modules that depend on it.
	for _ in 1 2; do
		for dir in "${dirs[@]}"; do
			wanted_mod "$dir" >"$scratch/new"
			cmp -s "$scratch/new" "$dir/go.mod" || cp "$scratch/new" "$dir/go.mod"
		done
		for dir in "${dirs[@]}"; do
			GOWORK=off go mod tidy -C "$dir"
		done
	done
}

# complain WHERE WHAT: reports a fault, followed by standard input, which is a diff.
complain() {
	printf '%s: %s\n' "$1" "$2"
	sed 's/^/\t/'
	faults=$((faults + 1))
} >&2

check_tidy() {
	GOWORK=off go mod tidy -C "$1" -diff >"$scratch/diff" 2>&1 ||
		complain "$1" "go.mod or go.sum is not tidy (-is, +should be)" <"$scratch/diff"
}

check_all() {
	local dir
	faults=0
	cp go.work "$scratch/go.work"
	go work edit -go="$go_version" -toolchain=none "$scratch/go.work"
	diff -u --label is --label "should be" go.work "$scratch/go.work" >"$scratch/diff" ||
		complain go.work "is not as it should be (-is, +should be)" <"$scratch/diff"
	for dir in "${dirs[@]}"; do
		wanted_mod "$dir" >"$scratch/new"
		if diff -u --label is --label "should be" "$dir/go.mod" "$scratch/new" >"$scratch/diff"; then
			check_tidy "$dir"
		else # no tidy: without its replace lines it would look for our modules on the network
			complain "$dir" "go.mod is not as it should be (-is, +should be)" <"$scratch/diff"
		fi
	done
	check_tidy "$tools"
	grep -qx "go $go_version" "$tools/go.mod" ||
		complain "$tools" "go.mod does not say go $go_version: use tools that build with it" </dev/null
	if ((faults > 0)); then
		echo "$faults fault(s): run scripts/modules.sh write" >&2
		return 1
	fi
	echo "${#dirs[@]} modules agree on version $version and go $go_version: ${dirs[*]}"
}

# strays prints the folders of modules that are missing in go.work. They would be neither tested
# nor released, and nothing else would report that.
strays() {
	local mod dir
	while read -r mod; do
		dir=$(dirname "$mod")
		[[ $dir == "$tools" || " ${dirs[*]} " == *" ${dir#./} "* ]] || echo "$dir"
	done < <(find . \( -name '.?*' -o -name testdata \) -prune -o -name go.mod -print | sort)
}

# go list fails if the go line of a module is above that of go.work, and then advises to raise
# the latter.
modules=$(go list -m -f '{{.Path}} {{.Dir}}') || {
	echo "go cannot read the workspace, see above. If a go line is the reason: all modules say" \
		"go $go_version, so use an earlier version of what requires more (go mod edit -go=$go_version)"
	exit 1
} >&2
declare -A folder # by module path: the folder, relative to the top
paths=() dirs=() # both sorted by path
while read -r path dir; do
	dir=${dir#"$PWD"/}
	folder[$path]=$dir paths+=("$path") dirs+=("$dir")
done < <(LC_ALL=C sort <<<"$modules")

for dir in $(strays); do
	echo "$dir: has a go.mod but is not in go.work: run go work use $dir, then scripts/modules.sh write" >&2
	exit 1
done

case ${1:-} in
write)
	write_all
	check_all
	;;
check) check_all ;;
*)
	echo "usage: scripts/modules.sh write|check" >&2
	exit 2
	;;
esac
