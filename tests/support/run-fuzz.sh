#!/bin/bash
# libFuzzer on each target in turn. usage: run-fuzz.sh BUILD SECONDS BUILD/fuzz_NAME...
# New inputs stay in BUILD/corpus/NAME; copy what is worth keeping to tests/fuzz/corpus/NAME. Crashes: BUILD/crashes.
set -u
build=$1 seconds=$2
shift 2
passed=0
failed=0
mkdir -p "$build/crashes"
for fuzzer in "$@"; do
    name=${fuzzer##*/fuzz_}
    mkdir -p "$build/corpus/$name"
    seeds=()
    [ ! -d "tests/fuzz/corpus/$name" ] || seeds=("tests/fuzz/corpus/$name")
    echo "== $name, $seconds s"
    if "$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 -verbosity=1 \
        -artifact_prefix="$build/crashes/$name-" "$build/corpus/$name" "${seeds[@]}" >"$build/fuzz_$name.log" 2>&1; then
        grep -a -E 'stat::number_of_executed_units|^Done' "$build/fuzz_$name.log"
        passed=$((passed + 1))
    else
        tail -n 40 "$build/fuzz_$name.log"
        failed=$((failed + 1))
    fi
done
[ $# != 0 ] || echo "skipped: no tests/fuzz/*_fuzz.cpp yet"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
