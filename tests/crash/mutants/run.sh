#!/bin/sh
# Mutants: each patch here breaks one rule of the store, and the state named beside it in states.txt must turn red. The tree as it is must be green there.
# Compiles what a patch touches in a copy of src/ and links it with the objects of the build. Ends with "N passed, M failed".
#   OUT=build/native-release CXX=g++ tests/crash/mutants/run.sh [MUTANT]...
set -u
cd "$(dirname "$0")/../../.." || exit 2
out=${OUT:-build/native-release}
cxx=${CXX:-g++}
here=tests/crash/mutants
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT INT TERM
passed=0
failed=0

bad() { echo "FAILED $1: $2"; failed=$((failed + 1)); }

# Objects of the crash suite's program, but for those of the sources named on standard input.
objects() {
    cat >"$work/skip"
    for source in src/*/*.cpp src/*/*/*.cpp tests/sim/*.cpp tests/support/*.cpp tests/crash/*.cpp; do
        [ -f "$source" ] && [ "$source" != tests/support/doctest_main.cpp ] || continue
        grep -qx "$source" "$work/skip" || echo "$out/obj/${source%.cpp}.o"
    done
}

mutant() {
    name=$1
    state=$2
    patch_file=$PWD/$here/$name.patch
    [ -f "$patch_file" ] || { bad "$name" "no such patch"; return; }
    tree=$work/$name
    mkdir -p "$tree" && cp -a src "$tree/" || { bad "$name" "cannot copy the tree"; return; }
    if ! (cd "$tree" && patch -p1 -s -F0 <"$patch_file" >"$work/log" 2>&1); then
        sed 's/^/    /' "$work/log"
        bad "$name" "the patch no longer applies"
        return
    fi
    sed -n 's/^+++ b\/\([^	 ]*\).*/\1/p' "$patch_file" >"$work/touched"
    built=
    while read -r source; do
        object=$tree/$(basename "$source").o
        (cd "$tree" && $cxx -std=c++23 -O1 -fno-pie -fno-exceptions -fno-rtti -Isrc -I. -c -o "$object" "$source") || { bad "$name" "does not compile"; return; }
        built="$built $object"
    done <"$work/touched"
    # shellcheck disable=SC2046,SC2086
    $cxx -no-pie -o "$tree/crash_run" $built $(objects <"$work/touched") "$out/deps/inih.a" -pthread || { bad "$name" "does not link"; return; }
    if ! "$out/crash_run" --only "$state" >"$work/log" 2>&1 || ! grep -q '^1 passed, 0 failed' "$work/log"; then
        sed 's/^/    /' "$work/log"
        bad "$name" "the tree as it is is not green for $state"
        return
    fi
    if timeout 60 "$tree/crash_run" --only "$state" >"$work/log" 2>&1 || ! grep -q "^FAILED" "$work/log"; then
        sed 's/^/    /' "$work/log"
        bad "$name" "$state does not turn red"
        return
    fi
    echo "caught $name by $state: $(sed -n 's/^FAILED [^:]*:[^:]*: //p' "$work/log" | head -n 1)"
    passed=$((passed + 1))
    rm -rf "$tree"
}

while read -r name state; do
    case $name in '' | '#'*) continue ;; esac
    wanted=$#
    for w in "$@"; do [ "$w" = "$name" ] && wanted=0; done
    [ "$wanted" -eq 0 ] && mutant "$name" "$state" </dev/null
done <"$here/states.txt"
for patch_file in "$here"/*.patch; do
    name=$(basename "$patch_file" .patch)
    grep -q "^$name " "$here/states.txt" || bad "$name" "no state is named for it in states.txt"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
