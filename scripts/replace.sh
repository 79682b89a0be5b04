#!/bin/sh
# Makes the Go module in the current folder use the cachewire modules of this clone:
#
#	cd yourmodule && ../cachewire/scripts/replace.sh
#
# It writes a replace line for each of them to go.mod. All are needed, whichever of them you import:
# go mod tidy looks at the tests of what you import, too. Run it again after you moved the clone.
set -eu

clone=$(cd -P "$(dirname "$0")/.." && pwd)
if [ ! -f go.mod ]; then
	echo "replace.sh: there is no go.mod here: run it in the folder of your module, after go mod init" >&2
	exit 1
fi
modules=$(GOWORK="$clone/go.work" go list -C "$clone" -m -f '-replace={{.Path}}={{.Dir}}')
IFS='
' # a path may have spaces
go mod edit $modules
