#!/usr/bin/env bash
# Tests that a program outside this repository can use the released modules. It runs exactly
# the commands of README.md, starting in an empty folder: first with the program of README.md,
# then with each of the other programs below, whose modules go mod tidy adds.
# `scripts/release.sh rehearse` runs it before the modules are released.
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."
readonly root=$PWD
unset GOWORK

scratch=$(mktemp -d)
server=
cleanup() {
	if [[ -n $server ]]; then kill "$server" && wait "$server" || true; fi
	chmod -R u+w "$scratch" && rm -rf "$scratch"
}
trap cleanup EXIT

# commands is the block of README.md from "mkdir hello" to "go run .". The program in readme.go
# is the first Go block of README.md.
commands=$(awk '/^```sh$/ { block = ""; inside = 1; next }
	/^```$/ { if (block ~ /go mod init/) { printf "%s", block; exit } inside = 0 }
	inside  { block = block $0 "\n" }' README.md)
for want in 'mkdir hello && cd hello' '# save the program as main.go' 'go get ' 'go run .'; do
	[[ $commands == *"$want"* ]] || {
		echo "outside.sh: README.md has no sh block with go mod init that also has: $want" >&2
		exit 1
	}
done
awk '/^```go$/ { inside = 1; next } /^```$/ && inside { exit } inside' README.md >"$scratch/readme.go"

# follow NAME RUN FILE...: runs the commands, with FILEs as the program and with RUN instead of
# "go run .". The output goes to NAME.log.
follow() {
	local name=$1 run=$2 steps=$commands log=$scratch/$1.log save
	shift 2
	save="cp $(printf '%q ' "$@") ."$'\n'"chmod u+w -- *.go"$'\n'$adapt
	steps=${steps/'# save the program as main.go'/"$save"} # quoted, because a bare & means the pattern
	steps=${steps/'go run .'/"$run"}
	mkdir "$scratch/$name"
	echo "outside: $name: $run"
	(cd "$scratch/$name" && bash -euo pipefail -c "$steps") >"$log" 2>&1 || {
		cat "$log" >&2
		echo "outside.sh: $name failed" >&2
		exit 1
	}
	tail -n 2 "$log" | sed 's/^/  /'
}
adapt=: # a command that changes the program

# The program of README.md contains core and memory, and nothing else of ours or of others.
# shellcheck disable=SC2016
nothing_else='! go list -deps -f "{{with .Module}}{{.Path}}{{end}}" . |
	grep -vxE "(example.com/hello|github.com/cachewire/cachewire/(core|memory)|)"'
cp "$scratch/readme.go" "$scratch/main.go"
follow readme "go run . && $nothing_else" "$scratch/main.go"
follow patterns 'go mod tidy && go run .' "$root"/docs/examples/users/main.go

# With another import and another URL, the program uses memcached instead of memory.
if memcached=$(command -v memcached); then
	user=()
	[[ $(id -u) != 0 ]] || user=(-u root)
	"$memcached" "${user[@]}" -s "$scratch/memcached.sock" &
	server=$!
	for _ in {1..100}; do
		[[ ! -S $scratch/memcached.sock ]] || break
		sleep 0.05
	done
	adapt='sed -i.old s,cachewire/memory\",cachewire/memcache-pure\", main.go && rm main.go.old'
	CACHE_URL=memcache://$scratch/memcached.sock follow memcache-pure 'go mod tidy && go run .' "$root"/docs/examples/users/main.go
	adapt=:
elif [[ -n ${CI:-} ]]; then
	echo "outside.sh: memcached is not installed" >&2
	exit 1
else
	echo "outside: memcache-pure: skipped, because memcached is not installed"
fi

# These are packages with tests: a page with a lockout, and a driver that runs the conformance
# suite.
adapt='sed -i.old s,github.com/cachewire/cachewire/docs/examples/[a-z]*\",example.com/hello\", -- *.go && rm -- *.old'
follow lockout 'go mod tidy && go vet ./... && go test ./...' "$root"/docs/examples/signin/*.go
follow driver 'go mod tidy && go vet ./... && go test ./...' "$root"/docs/examples/mapdriver/*.go
echo "outside: all passed"
