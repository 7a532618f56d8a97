#!/bin/sh
# Installs the Debian packages named, and nothing when all of them are there (so it works offline).
# usage: install-packages.sh [--no-services] PACKAGE...        APT=no: never install, only say what is missing.
# --no-services: the services of packages that are installed now, named like them, are neither started nor enabled.
set -u

no_services=
if [ "${1:-}" = --no-services ]; then
    no_services=yes
    shift
fi

if ! command -v dpkg-query >/dev/null; then
    echo "not a Debian system; the build expects what these packages hold: $*" >&2
    exit 0
fi

missing=
for package in "$@"; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=absent
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "${APT:-yes}" = no ]; then
    echo "APT=no, going on without:$missing" >&2
    exit 0
fi

as_root=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "please run as root: apt-get install$missing" >&2
        exit 1
    fi
    as_root=sudo
fi

# Debian starts what it installs unless this file says 101 ("forbidden"). An administrator's own stays.
policy=/usr/sbin/policy-rc.d
forbid_services() {
    [ -n "$no_services" ] && [ ! -e $policy ] || return 0
    trap '$as_root rm -f $policy' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
    $as_root chmod 755 $policy
}
disable_services() {
    [ -n "$no_services" ] && command -v systemctl >/dev/null || return 0
    for package in $missing; do $as_root systemctl --quiet disable "$package" >/dev/null 2>&1 || true; done
}

# The lock timeout: another apt may be at work, on a freshly booted machine usually is.
apt="$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0"
install="$apt install -y --no-install-recommends $missing"
echo "installing:$missing"
forbid_services
# Silent, because absent or stale package lists are an ordinary reason to fail; any other will show below.
if $install >/dev/null 2>&1; then
    disable_services
    exit 0
fi
# A third-party index that fails must not end the build: whether the update was good enough shows in the install.
$apt update || echo "apt-get update had failures; going on with what it got" >&2
$install >/dev/null || { echo "could not install:$missing" >&2; exit 1; }
disable_services
