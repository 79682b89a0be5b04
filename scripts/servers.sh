#!/bin/sh
# Installs the programs that the tests run, if they are missing: memcached and redis-server, and
# on systems with apt-get also the Python clients of both and the command line tools of
# memcached. The tests check that these and our drivers read each other's items. If CI is set, it
# installs chromium, zsh and fish as well. If nothing is missing, the script does and prints nothing. It is
# written in sh and not bash, because it runs before all tests, on any system.
#
# If a program cannot be installed, the tests that need it are skipped, and the script succeeds.
# If CI is set, those tests fail, and so does the script.
set -eu

# Packages memcachetest and redistest look in these directories as well. PATH comes first.
PATH=$PATH:/usr/sbin:/usr/local/bin:/usr/local/sbin:/opt/homebrew/bin
export PATH

have() { command -v "$1" >/dev/null; }

# missing prints the names of the missing packages. If MEMCACHED is set, it does not check
# memcached: the tests report if the file that MEMCACHED names does not exist. REDIS_SERVER is the
# same for redis-server.
missing() {
	[ -n "${MEMCACHED:-}" ] || have memcached || echo memcached
	[ -n "${REDIS_SERVER:-}" ] || have redis-server || redis_package
	# The tests of observe/page are skipped without a browser, except where CI is set.
	[ -z "${CI:-}" ] || [ -n "${CHROMIUM:-}" ] || have_browser || echo chromium
	# So are those of the completions of cmd/cachewire without the shells.
	[ -z "${CI:-}" ] || have zsh || echo zsh
	[ -z "${CI:-}" ] || have fish || echo fish
	have apt-get || return 0
	have_python pylibmc memcache || echo python3-pylibmc python3-memcache
	have_python redis || echo python3-redis
	have memccat || echo libmemcached-tools
}

have_browser() {
	have chromium || have chromium-browser || have google-chrome || have google-chrome-stable ||
		[ -e "/Applications/Google Chrome.app" ]
}

# redis_package prints the name of the package of redis-server.
redis_package() {
	if have apt-get; then echo redis-server; else echo redis; fi
}

# have_python reports whether one Python has all of the modules that are given. It does not look
# in the current folder, which has a folder redis.
have_python() {
	for python in /usr/bin/python3 python3; do
		if (cd / && "$python" -c "import $(echo "$*" | tr ' ' ',')") 2>/dev/null; then return 0; fi
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
		echo "servers.sh: apt-get install $*"
		install_by_apt_get "$@"
	elif have dnf && can_be_root; then
		echo "servers.sh: dnf install $*"
		quietly as_root dnf -q -y install "$@"
	elif have apk && can_be_root; then
		echo "servers.sh: apk add $*"
		quietly as_root apk add "$@"
	elif have brew && [ "$(id -u)" != 0 ]; then # brew refuses to run as root
		echo "servers.sh: brew install $*"
		quietly brew install "$@"
	else
		return 1
	fi
}

install_by_apt_get() {
	old_services=$(services)
	# It continues if a package list cannot be fetched, and if this system does not have one of
	# the packages.
	apt_get update || true
	for package; do
		apt_get install --no-install-recommends "$package" || true
	done
	for service in $(services); do
		case " $old_services " in
		*" $service "*) ;;
		*) stop_service "$service" || true ;;
		esac
	done
}

# apt_get runs apt-get. NEEDRESTART_SUSPEND keeps it from restarting other services.
apt_get() {
	quietly as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
		apt-get -qq -y -o DPkg::Lock::Timeout=120 "$@"
}

runs_systemd() { [ -d /run/systemd/system ]; }

# services prints on one line which of the system-wide services exist.
services() {
	for service in memcached redis-server; do
		if service_exists "$service"; then printf '%s ' "$service"; fi
	done
}

service_exists() {
	if runs_systemd; then
		systemctl cat "$1.service" >/dev/null 2>&1
	else
		[ -e "/etc/init.d/$1" ]
	fi
}

# stop_service stops a system-wide server that Debian starts when its package is installed, and
# disables its start at boot. The tests start their own servers.
stop_service() {
	if runs_systemd; then
		quietly as_root systemctl disable --now "$1.service"
	else
		quietly as_root service "$1" stop
		quietly as_root update-rc.d "$1" disable
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
	echo "servers.sh: cannot install what the tests need:" $still
	echo "  Install it by hand: apt-get install, dnf install or apk add as root, or brew install."
} >&2
if [ -n "${CI:-}" ]; then exit 1; fi
echo "  Until then, the tests that need it are skipped." >&2
