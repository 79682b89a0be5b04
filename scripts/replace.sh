#!/bin/sh
# Makes the Go module in the current folder use the cachewire modules of this clone:
#
#	cd yourmodule && ../cachewire/scripts/replace.sh
#
# It writes a replace line for each of them to go.mod. Your module needs all of them, even if it
# imports only one, because go mod tidy also reads the tests of the packages that you import.
# Run it again after you move the clone.
set -eu

clone=$(cd -P "$(dirname "$0")/.." && pwd)
if [ ! -f go.mod ]; then
	echo "replace.sh: no go.mod in this folder: run it in the folder of your module, after go mod init" >&2
	exit 1
fi
modules=$(GOWORK="$clone/go.work" go list -C "$clone" -m -f '-replace={{.Path}}={{.Dir}}')
IFS='
' # split at newlines only, because a path may have spaces
go mod edit $modules
