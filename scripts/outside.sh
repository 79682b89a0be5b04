#!/usr/bin/env bash
# Uses cachewire as a program outside this repository does: follows the commands of README.md, to
# the letter, from an empty folder on. Once with the program of README.md, and once for each of the
# other programs below, in its place.
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."
readonly root=$PWD
unset GOWORK GOFLAGS
export GO111MODULE=

scratch=$(mktemp -d)
server=
cleanup() {
	if [[ -n $server ]]; then kill "$server" && wait "$server" || true; fi
	chmod -R u+w "$scratch" && rm -rf "$scratch"
}
trap cleanup EXIT

# The commands of README.md, from "git clone" to "go run .", and the program above them. Cloning is
# left out: what is tested is this working tree.
commands=$(awk '/^```sh$/ { block = ""; inside = 1; next }
	/^```$/ { if (block ~ /go mod init/) { printf "%s", block; exit } inside = 0 }
	inside  { block = block $0 "\n" }' README.md)
for want in 'git clone ' 'mkdir hello && cd hello' '# save the program as main.go' 'go mod tidy' 'go run .'; do
	[[ $commands == *"$want"* ]] || {
		echo "outside.sh: README.md has no sh block with go mod init and with: $want" >&2
		exit 1
	}
done
awk '/^```go$/ { inside = 1; next } /^```$/ && inside { exit } inside' README.md >"$scratch/readme.go"

# follow NAME RUN FILE...: follows the commands with FILEs for the program, and RUN for "go run .".
follow() {
	local name=$1 run=$2 steps=$commands log=$scratch/$1.log save
	shift 2
	save="cp $(printf '%q ' "$@") ."$'\n'"chmod u+w -- *.go"$'\n'$adapt
	steps=${steps/git clone *cachewire$'\n'/}
	steps=${steps/'# save the program as main.go'/"$save"} # quoted, or & is the pattern
	steps=${steps/'go run .'/"$run"}
	mkdir "$scratch/$name"
	ln -s "$root" "$scratch/$name/cachewire"
	echo "outside: $name: $run"
	(cd "$scratch/$name" && bash -euo pipefail -c "$steps") >"$log" 2>&1 || {
		cat "$log" >&2
		echo "outside.sh: $name failed" >&2
		exit 1
	}
	tail -n 2 "$log" | sed 's/^/  /'
}
adapt=: # what else is done to the program

cp "$scratch/readme.go" "$scratch/main.go"
follow readme 'go run .' "$scratch/main.go"
follow patterns 'go run .' "$root"/docs/examples/users/main.go

# memcached in the place of memory, as the table of drivers says: another import, another URL.
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
	CACHE_URL=memcache://$scratch/memcached.sock follow memcache-pure 'go run .' "$root"/docs/examples/users/main.go
	adapt=:
elif [[ -n ${CI:-} ]]; then
	echo "outside.sh: there is no memcached" >&2
	exit 1
else
	echo "outside: memcache-pure: skipped, as there is no memcached"
fi

# Packages with tests: a page with a lockout, and a driver of somebody's own, which runs the suite.
adapt='sed -i.old s,github.com/cachewire/cachewire/docs/examples/[a-z]*\",example.com/hello\", -- *.go && rm -- *.old'
follow lockout 'go vet ./... && go test ./...' "$root"/docs/examples/signin/*.go
follow driver 'go vet ./... && go test ./...' "$root"/docs/examples/mapdriver/*.go
echo "outside: all passed"
