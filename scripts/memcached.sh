#!/bin/sh
# Makes sure that the tests find what they run: memcached, and where apt-get installs software also the
# clients of Python and the command line tools, whose items we read and which read ours. Where all is
# there, it does and says nothing. (sh and not bash: it comes before every test, on any system.)
#
# Where something is missing in the end, the tests that need it are skipped, so that is no failure here,
# unless CI is set: then they fail.
set -eu

# memcachetest looks in these, too. PATH comes first.
PATH=$PATH:/usr/sbin:/usr/local/bin:/usr/local/sbin:/opt/homebrew/bin
export PATH

have() { command -v "$1" >/dev/null; }

# missing prints the names of the packages that are wanted. A memcached that MEMCACHED names is its
# user's affair: if it is not there, the tests say so.
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

# as_root runs a command as root. It asks nobody for a password.
as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

can_be_root() { as_root true 2>/dev/null; }

# What a package manager complains about goes to the terminal, its progress does not.
quietly() { "$@" </dev/null >/dev/null; }

# install installs packages, or fails if it knows no way to.
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
	elif have brew && [ "$(id -u)" != 0 ]; then # which will not run as root
		echo "memcached.sh: brew install memcached"
		quietly brew install memcached
	else
		return 1
	fi
}

install_by_apt_get() {
	had_service=$(service_exists && echo yes || echo no)
	# One list of many that cannot be fetched is no reason to stop, and one package that this system does
	# not have no reason to lack the others.
	apt_get update || true
	for package; do
		apt_get install --no-install-recommends "$package" || true
	done
	if [ "$had_service" = no ] && service_exists; then
		stop_service || true
	fi
}

# NEEDRESTART_SUSPEND: nobody's services are to be restarted on this occasion.
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

# stop_service ends the memcached for all of the system that Debian starts, now and at every boot, when
# the package is installed. Tests start their own.
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

install $packages || true # a word a package

still=$(missing)
# Go remembers tests as passed that were skipped for what is there now.
if [ "$still" != "$packages" ]; then go clean -testcache; fi
if [ -z "$still" ]; then exit 0; fi
{
	echo "memcached.sh: the tests want, and it could not install:" $still
	echo "  By hand: as root apt-get install, dnf install or apk add, or as yourself brew install memcached."
} >&2
if [ -n "${CI:-}" ]; then exit 1; fi
echo "  Until then the tests that need it are skipped." >&2
