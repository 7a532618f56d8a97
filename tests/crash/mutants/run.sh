#!/bin/sh
# Mutants: each patch here breaks one rule, and what states.txt names beside it must turn red: a state of the crash suite, seed:N of the simulator (or one of
# seed:N-M: which one moves with any change of what takes how long), or unit:NAME of a unit test. The tree as it is must be green there.
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

# The program that shows a state.
program_of() {
    case $1 in
    seed:*) program=sim_run ;;
    unit:*) program=unit_test ;;
    *) program=crash_run ;;
    esac
}

# show PROGRAM STATE: exits with 0 if it is green.
show() {
    case $2 in
    seed:*-*) timeout 120 "$1" --seeds "${2#seed:}" ;;
    seed:*) timeout 120 "$1" --seeds "${2#seed:}-${2#seed:}" ;;
    unit:*) timeout 120 "$1" "-tc=${2#unit:}" ;;
    *) timeout 120 "$1" --only "$2" ;;
    esac >"$work/log" 2>&1
}

# Objects that the program was linked with, by its map, but for those of the sources named on standard input.
objects() {
    sed "s|^|$out/obj/|; s|\.[a-z]*\$|.o|" >"$work/skip"
    sed -n "s|^LOAD \($out/obj/.*\.o\)\$|\1|p" "$out/$program.map" | grep -vxFf "$work/skip"
}

mutant() {
    name=$1
    state=$2
    patch_file=$PWD/$here/$name.patch
    [ -f "$patch_file" ] || { bad "$name" "no such patch"; return; }
    program_of "$state"
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
    $cxx -no-pie -o "$tree/$program" $built $(objects <"$work/touched") "$out/deps/inih.a" "$out/deps/zlib.a" "$out/deps/zstd.a" -pthread || { bad "$name" "does not link"; return; }
    # A name that nothing has is green, too.
    if ! show "$out/$program" "$state" || ! grep -q '^[1-9][0-9]* passed, 0 failed' "$work/log"; then
        sed 's/^/    /' "$work/log"
        bad "$name" "the tree as it is is not green for $state"
        return
    fi
    if show "$tree/$program" "$state" || ! grep -Eq '^[0-9]+ passed, [1-9][0-9]* failed' "$work/log"; then
        sed 's/^/    /' "$work/log"
        bad "$name" "$state does not turn red"
        return
    fi
    echo "caught $name by $state: $(sed -n -e 's/^FAILED [^:]*:[^:]*: //p' -e 's/^seed \([0-9]*\) failed/seed \1/p' -e 's/^  logged: //p' "$work/log" | head -n 1)"
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
