#!/bin/sh
# Installs the Debian packages named, and nothing when all of them are there (so it works offline).
# usage: install-packages.sh PACKAGE...        APT=no: never install, only say what is missing.
set -u

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

# The lock timeout: another apt may be at work, on a freshly booted machine usually is.
apt="$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0"
install="$apt install -y --no-install-recommends $missing"
echo "installing:$missing"
# Silent, because absent or stale package lists are an ordinary reason to fail; any other will show below.
if $install >/dev/null 2>&1; then exit 0; fi
# A third-party index that fails must not end the build: whether the update was good enough shows in the install.
$apt update || echo "apt-get update had failures; going on with what it got" >&2
$install >/dev/null || { echo "could not install:$missing" >&2; exit 1; }
