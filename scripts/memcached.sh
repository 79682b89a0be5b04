#!/bin/sh
# Installs the programs that the tests run, if they are missing: memcached, and on systems with
# apt-get also the Python clients and command line tools of memcached, which read our items and
# whose items we read. If nothing is missing, the script does and prints nothing. It is written
# in sh and not bash, because it runs before all tests, on any system.
#
# If a program cannot be installed, the tests that need it are skipped, and the script succeeds.
# If CI is set, those tests fail, and so does the script.
set -eu

# Package memcachetest looks in these directories as well. PATH comes first.
PATH=$PATH:/usr/sbin:/usr/local/bin:/usr/local/sbin:/opt/homebrew/bin
export PATH

have() { command -v "$1" >/dev/null; }

# missing prints the names of the missing packages. If MEMCACHED is set, it does not check
# memcached: the tests report if the file that MEMCACHED names does not exist.
missing() {
	[ -n "${MEMCACHED:-}" ] || have memcached || echo memcached
	have apt-get || return 0
	have_python || echo python3-pylibmc python3-memcache
	have memccat || echo libmemcached-tools
}

have_python() {
	for python in /usr/bin/python3 python3; do
		if "$python" -c 'import pylibmc, memcache' 2>/dev/null; then return 0; fi
	done
	return 1
}

# as_root runs a command as root. It fails if that needs a password.
as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

can_be_root() { as_root true 2>/dev/null; }

# quietly runs a command without its standard output. Its errors go to the terminal.
quietly() { "$@" </dev/null >/dev/null; }

# install installs packages. It fails if there is no package manager that it can use.
install() {
	if have apt-get && can_be_root; then
		echo "memcached.sh: apt-get install $*"
		install_by_apt_get "$@"
	elif have dnf && can_be_root; then
		echo "memcached.sh: dnf install $*"
		quietly as_root dnf -q -y install "$@"
	elif have apk && can_be_root; then
		echo "memcached.sh: apk add $*"
		quietly as_root apk add "$@"
	elif have brew && [ "$(id -u)" != 0 ]; then # brew refuses to run as root
		echo "memcached.sh: brew install memcached"
		quietly brew install memcached
	else
		return 1
	fi
}

install_by_apt_get() {
	had_service=$(service_exists && echo yes || echo no)
	# It continues if a package list cannot be fetched, and if this system does not have one of
	# the packages.
	apt_get update || true
	for package; do
		apt_get install --no-install-recommends "$package" || true
	done
	if [ "$had_service" = no ] && service_exists; then
		stop_service || true
	fi
}

# apt_get runs apt-get. NEEDRESTART_SUSPEND keeps it from restarting other services.
apt_get() {
	quietly as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
		apt-get -qq -y -o DPkg::Lock::Timeout=120 "$@"
}

runs_systemd() { [ -d /run/systemd/system ]; }

service_exists() {
	if runs_systemd; then
		systemctl cat memcached.service >/dev/null 2>&1
	else
		[ -e /etc/init.d/memcached ]
	fi
}

# stop_service stops the system-wide memcached that Debian starts when the package is installed,
# and disables its start at boot. The tests start servers of their own.
stop_service() {
	if runs_systemd; then
		quietly as_root systemctl disable --now memcached.service
	else
		quietly as_root service memcached stop
		quietly as_root update-rc.d memcached disable
	fi
}

packages=$(missing)
if [ -z "$packages" ]; then exit 0; fi

install $packages || true # not quoted: each word is a package

still=$(missing)
# Go's test cache counts as passed the tests that were skipped because these packages were missing.
if [ "$still" != "$packages" ]; then go clean -testcache; fi
if [ -z "$still" ]; then exit 0; fi
{
	echo "memcached.sh: cannot install what the tests need:" $still
	echo "  Install it by hand: apt-get install, dnf install or apk add as root, or brew install."
} >&2
if [ -n "${CI:-}" ]; then exit 1; fi
echo "  Until then, the tests that need it are skipped." >&2
