#!/bin/bash
# Runs test suites in order and sums them. usage: run-suites.sh NAME:SECONDS...
# From the Makefile: MAKE, OUT (build folder), FACTOR (multiplies the seconds), AGAIN (how a person runs make again).
# Each suite is built without a limit and run within one; its closing line "N passed, M failed" is what counts. A suite
# without that line, with a bad exit code or over its time counts as (one more) failed.
set -u
case ${MAKEFLAGS%% *} in *n*) echo "would run: $*"; exit 0 ;; esac # make -n
logs=$OUT/test-logs
mkdir -p "$logs"
total_passed=0
total_failed=0

# Failure of suite $1 because $2; shows the end of its log $3.
explain() {
    printf '%-12s FAILED: %s; the end of %s:\n' "$1" "$2" "$3"
    tail -n 60 "$3" | sed 's/^/    /'
    printf '    again: %s suite-%s\n' "$AGAIN" "$1"
}

for entry in "$@"; do
    suite=${entry%%:*}
    seconds=$((${entry#*:} * FACTOR))
    log=$logs/$suite.log
    if ! $MAKE "build-$suite" >"$log" 2>&1; then
        explain "$suite" "does not build" "$log"
        total_failed=$((total_failed + 1))
        continue
    fi
    started=$SECONDS
    timeout -k 5 "$seconds" $MAKE "run-$suite" >"$log" 2>&1
    code=$?
    line=$(grep -aE '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1)
    passed=0 failed=0 why=
    if [ -n "$line" ]; then
        passed=${line%% *}
        failed=${line#*, }
        failed=${failed%% *}
    fi
    if [ "$code" = 124 ] || [ "$code" = 137 ]; then
        why="more than its $seconds s"
        passed=0 failed=0
    elif [ -z "$line" ]; then
        why="ended without its closing line (exit $code)"
    elif [ "$failed" != 0 ]; then
        why="$line"
    elif [ "$code" != 0 ]; then
        why="exit $code"
    fi
    if [ -n "$why" ]; then
        [ "$failed" != 0 ] || failed=1
        explain "$suite" "$why" "$log"
    elif skipped=$(grep -a -m1 '^skipped: ' "$log"); then
        printf '%-12s %s\n' "$suite" "$skipped"
    else
        printf '%-12s %s (%d s)\n' "$suite" "$line" $((SECONDS - started))
    fi
    total_passed=$((total_passed + passed))
    total_failed=$((total_failed + failed))
done
echo "$total_passed passed, $total_failed failed"
[ "$total_failed" = 0 ]
