#!/bin/sh
# Fetches the third-party sources as Debian source packages, checks them against the pins, unpacks them.
# usage: fetch-deps.sh CACHE NAME:PACKAGE:VERSION:SERIES:SHA256...
#   CACHE/tarballs/   what was fetched        CACHE/src/NAME/   unpacked, upstream and unpatched
#   DEPS_DIR=dir      take the pinned tarballs from there, no network
# Trust: apt checks Debian's signature over the index and the index's hash of each tarball. A pinned hash is checked
# beside that. Mirrors keep only the current patch release, so a newer one of the same series is accepted if
# (and only if) it came through that signed chain; the cache notes its hash.
set -eu

cache=$1
shift
suite=trixie
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
mkdir -p "$cache/tarballs" "$cache/src"
cache=$(cd "$cache" && pwd)
accepted=$cache/tarballs/accepted.sha256 # "HASH NAME:PINNED VERSION": newer releases that the signed chain vouched for

die() { echo "fetch-deps: $*" >&2; exit 1; }
hash_of() { sha256sum "$1" | cut -d' ' -f1; }

# A tarball in directory $1 with the hash $2; its path, or nothing.
find_by_hash() {
    for file in "$1"/*.tar.*; do
        if [ -f "$file" ] && [ "$(hash_of "$file")" = "$2" ]; then echo "$file"; return; fi
    done
}

# The machine's own Debian mirrors, best guess first; never written into the project.
mirrors() {
    {
        apt-get indextargets --format '$(LABEL) $(REPO_URI)' 2>/dev/null | sed -n 's/^Debian //p'
        # Before the first `apt-get update` apt knows no labels: take what looks like the main archive.
        apt-get indextargets --format '$(REPO_URI)' 2>/dev/null
        cat /etc/apt/sources.list.d/*.sources 2>/dev/null | sed -n 's/^URIs:[[:space:]]*//p' | tr ' ' '\n'
        cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
            sed -n 's/^deb[[:space:]]\{1,\}\(\[[^]]*\][[:space:]]*\)\{0,1\}\([^[:space:]]*\).*/\2/p'
    } | sed 's#/*$##' | grep -i debian | grep -v -i security | awk 'NF && !seen[$0]++'
}

# An apt of our own inside the cache. It keeps the machine's way to the network (proxies, certificates) and drops its
# hooks: container images delete /var/cache/apt/archives after every update, under another apt's feet.
private_apt() {
    apt=$cache/apt
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/empty"
    {
        apt-config dump | grep '^Acquire::' || true
        echo "Dir::Etc::parts \"$apt/empty\";"
        echo "Dir::Etc::main \"/dev/null\";"
        echo "Dir::Etc::sourcelist \"$apt/sources.list\";"
        echo "Dir::Etc::sourceparts \"$apt/empty\";"
        echo "Dir::State::lists \"$apt/lists\";"
        echo "Dir::Cache \"$apt/cache\";"
        echo 'APT::Sandbox::User "root";'
        echo 'APT::Get::AllowUnauthenticated "false";'
        echo 'Acquire::AllowInsecureRepositories "false";'
        echo 'Acquire::Retries "3";'
    } >"$apt/apt.conf"
    APT_CONFIG=$apt/apt.conf apt-get -q "$@"
}

# Downloads the source packages $* from the first mirror that has them.
download() {
    [ -r "$keyring" ] || die "no $keyring: install debian-archive-keyring"
    mkdir -p "$cache/apt"
    for mirror in $(mirrors); do
        echo "fetching $* ($suite) from $mirror"
        echo "deb-src [signed-by=$keyring] $mirror $suite main" >"$cache/apt/sources.list"
        if private_apt -qq update && (cd "$cache/tarballs" && private_apt -qq source --download-only --tar-only "$@" >/dev/null); then return; fi
    done
    die "no mirror gave the sources; DEPS_DIR=dir takes tarballs that you have"
}

# The tarball for one pin, if it is there already; its path, or nothing.
present() {
    name=$1 version=$2 sha=$3
    if [ -n "${DEPS_DIR:-}" ]; then find_by_hash "$DEPS_DIR" "$sha"; return; fi
    found=$(find_by_hash "$cache/tarballs" "$sha")
    if [ -z "$found" ] && [ -f "$accepted" ]; then
        newer=$(awk -v key="$name:$version" '$2 == key { hash = $1 } END { print hash }' "$accepted")
        if [ -n "$newer" ]; then found=$(find_by_hash "$cache/tarballs" "$newer"); fi
    fi
    echo "$found"
}

# After a download without the pinned hash: is what came a newer release of the same series?
accept_newer() {
    name=$1 package=$2 version=$3 series=$4
    for file in "$cache/tarballs/$package"_*.orig.tar.*; do
        [ -f "$file" ] || continue
        got=${file##*/"$package"_}
        got=${got%.orig.tar.*}
        # shellcheck disable=SC2254  # the series is a pattern
        case $got in $series) ;; *) continue ;; esac
        if dpkg --compare-versions "$got" gt "$version"; then
            echo "note: $name $got in place of the pinned $version: newer in the series $series and signed by Debian." \
                "Pin it: $(hash_of "$file")"
            echo "$(hash_of "$file") $name:$version" >>"$accepted"
            return
        fi
    done
    die "$name: what came is neither $version with the pinned hash nor a newer $series; see $cache/tarballs"
}

unpack() {
    name=$1 tarball=$2
    rm -rf "$cache/src/$name" "$cache/src/$name.part"
    mkdir -p "$cache/src/$name.part"
    tar -xf "$tarball" -C "$cache/src/$name.part" --strip-components=1 --no-same-owner
    hash_of "$tarball" >"$cache/src/$name.part/.tarball.sha256"
    mv "$cache/src/$name.part" "$cache/src/$name"
}

wanted=
for pin in "$@"; do
    IFS=: read -r name package version series sha <<EOF
$pin
EOF
    if [ -z "$(present "$name" "$version" "$sha")" ]; then wanted="$wanted $package"; fi
done
if [ -n "$wanted" ]; then
    [ -z "${DEPS_DIR:-}" ] || die "DEPS_DIR=$DEPS_DIR holds no tarball with the pinned sha256 of:$wanted"
    # shellcheck disable=SC2086
    download $wanted
fi
for pin in "$@"; do
    IFS=: read -r name package version series sha <<EOF
$pin
EOF
    tarball=$(present "$name" "$version" "$sha")
    if [ -z "$tarball" ]; then
        accept_newer "$name" "$package" "$version" "$series"
        tarball=$(present "$name" "$version" "$sha")
    fi
    if [ "$(cat "$cache/src/$name/.tarball.sha256" 2>/dev/null)" != "$(hash_of "$tarball")" ]; then
        unpack "$name" "$tarball"
    fi
done
