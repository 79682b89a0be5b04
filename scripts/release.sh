#!/usr/bin/env bash
# Releases all modules at the version in VERSION, or shows that this would work.
#
#	scripts/release.sh rehearse   tags a copy of this working tree, and builds a program in an
#	                              empty folder from these tags alone
#	scripts/release.sh v0.1.0     checks that HEAD is ready to be v0.1.0, which VERSION says, and
#	                              tags it; then it prints the command that publishes the tags
#
# A module in folder x of version v1.2.3 has the tag x/v1.2.3. docs/release.md says more.
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."
unset GOWORK

readonly repository=github.com/cachewire/cachewire
version=$(<VERSION)

# The folders of the modules that are released. The others are for this repository alone:
# no test of a released module imports them, which go mod tidy would want to read.
mapfile -t dirs < <(go list -m -f '{{.Dir}}' | sed "s,^$PWD/,," |
	grep -vxE 'benchmarks|docs|docs/from|conformance/strangers|observe/page/browser' | LC_ALL=C sort)

fail() {
	echo "release.sh: $1" >&2
	exit 1
}

# ready checks that HEAD can be released as the version $1.
ready() {
	[[ $1 == "$version" ]] ||
		fail "VERSION says $version, not $1: write $1 to VERSION and run scripts/modules.sh write"
	[[ -z $(git status --porcelain) ]] || fail "the working tree has changes: commit them"
	grep -qxF "## ${version#v}" CHANGELOG.md || fail "CHANGELOG.md has no section ## ${version#v}"
	for dir in "${dirs[@]}"; do
		! git rev-parse -q --verify "refs/tags/$dir/$version" >/dev/null ||
			fail "the tag $dir/$version exists: write a new version to VERSION"
	done
	make check long # includes modules.sh check and the rehearsal
}

# snapshot makes a bare repository of the working tree, including what is not committed, with
# all tags.
snapshot() {
	local bare=$1 tree commit dir
	cp "$(git rev-parse --git-path index)" "$scratch/index"
	tree=$(export GIT_INDEX_FILE=$scratch/index && git add -A && git write-tree)
	commit=$(GIT_AUTHOR_NAME=rehearsal GIT_AUTHOR_EMAIL=rehearsal@localhost \
		GIT_COMMITTER_NAME=rehearsal GIT_COMMITTER_EMAIL=rehearsal@localhost \
		git commit-tree "$tree" -m rehearsal)
	git init -q --bare "$bare"
	git push -q "$bare" "$commit:refs/heads/main" 2>&1
	for dir in "${dirs[@]}"; do
		git -C "$bare" tag "$dir/$version" main
	done
}

# rehearse builds and tests programs that require the modules at their tags, in an empty folder
# and without any replace line. Git reads the snapshot instead of the public repository. Go
# keeps its downloads in a separate cache, because these tags are not the published ones. It
# takes other libraries from the usual cache.
rehearse() {
	local dir package url=file://$scratch/cachewire.git
	snapshot "$scratch/cachewire.git"
	export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=url.$url.insteadOf GIT_CONFIG_VALUE_0=https://$repository
	GOPROXY=file://$(go env GOMODCACHE)/cache/download,$(go env GOPROXY)
	export GOPROXY GOPRIVATE=$repository GOMODCACHE=$scratch/modules GOFLAGS=-modcacherw

	# A program that imports every package of every module.
	{
		printf 'package main\n\nimport (\n'
		for dir in "${dirs[@]}"; do
			go list -C "$dir" -f '{{if and .GoFiles (ne .Name "main")}}{{.ImportPath}}{{end}}' ./...
		done | grep -v /internal/ | sed 's/.*/\t_ "&"/'
		printf ')\n\nfunc main() {}\n'
	} | program everything "${dirs[@]}"
	(cd "$scratch/everything" && go run . && go vet .)
	for dir in "${dirs[@]}"; do
		[[ -f $scratch/modules/$repository/$dir@$version/LICENSE ]] || fail "$dir is without LICENSE"
	done
	scripts/outside.sh
	echo "rehearsed: ${#dirs[@]} modules at $version: ${dirs[*]}"
}

# program NAME DIR...: makes a module of standard input that requires the modules in DIRs at
# their tags.
program() {
	local name=$1 dir
	mkdir "$scratch/$name"
	cat >"$scratch/$name/main.go"
	(
		cd "$scratch/$name"
		go mod init "$name" 2>/dev/null
		for dir in "${@:2}"; do
			echo "$repository/$dir@$version"
		done | xargs go get
		go mod tidy
	) >"$scratch/$name.log" 2>&1 || fail "$name: $(<"$scratch/$name.log")"
	! grep -q replace "$scratch/$name/go.mod" || fail "$name: go.mod has a replace line"
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

case ${1:-} in
rehearse) rehearse ;;
v[0-9]*.[0-9]*.[0-9]*)
	ready "$1"
	for dir in "${dirs[@]}"; do
		git tag -a "$dir/$version" -m "$dir $version"
	done
	echo "Tagged. To publish: git push --atomic origin main ${dirs[*]/%//$version}"
	;;
*) fail "want rehearse, or the version to tag, such as $version" ;;
esac
