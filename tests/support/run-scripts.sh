#!/bin/bash
# Runs black-box scripts one after the other and sums their closing lines. usage: run-scripts.sh SCRIPT...
# A script gets SCRIPT_SECONDS (default 180, times FACTOR: the Makefile's BUDGET_FACTOR) and its own temporary folder as TMPDIR, which is kept when it fails.
set -u
seconds=${SCRIPT_SECONDS:-$((180 * ${FACTOR:-1}))}
total_passed=0
total_failed=0
work=$(mktemp -d "${TMPDIR:-/tmp}/rivulet-interop.XXXXXX")
child=
# `timeout` puts its command into a process group of its own, which a kill of ours does not reach.
trap '[ -z "$child" ] || kill "$child"; exit 143' TERM INT
for script in "$@"; do
    name=$(basename "$script")
    mkdir -p "$work/$name"
    case $script in *.py) run=(python3 "$script") ;; *) run=(bash "$script") ;; esac
    echo "== $script"
    TMPDIR=$work/$name timeout -k 5 "$seconds" "${run[@]}" >"$work/$name.log" 2>&1 &
    child=$!
    wait "$child"
    code=$?
    child=
    sed 's/^/    /' "$work/$name.log" # indented: a script's closing line is not the suite's
    line=$(grep -aE '^[0-9]+ passed, [0-9]+ failed$' "$work/$name.log" | tail -n 1)
    passed=0 failed=0
    if [ -n "$line" ]; then
        passed=${line%% *}
        failed=${line#*, }
        failed=${failed%% *}
    fi
    if [ "$failed" = 0 ] && { [ -z "$line" ] || [ "$code" != 0 ]; }; then
        echo "$script: exit $code, closing line: ${line:-none}"
        failed=1
    fi
    if [ "$failed" = 0 ]; then rm -rf "${work:?}/$name"; else echo "$script: its files are kept in $work/$name"; fi
    total_passed=$((total_passed + passed))
    total_failed=$((total_failed + failed))
done
[ "$total_failed" != 0 ] || rm -rf "$work"
echo "$total_passed passed, $total_failed failed"
[ "$total_failed" = 0 ]
