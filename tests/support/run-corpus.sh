#!/bin/bash
# Feeds every fuzz target its stored inputs. usage: run-corpus.sh BUILD/fuzz_NAME...   corpus: tests/fuzz/corpus/NAME/
# One target is one test: the driver aborts on the first bad input and says which.
set -u
passed=0
failed=0
for fuzzer in "$@"; do
    name=${fuzzer##*/fuzz_}
    corpus=tests/fuzz/corpus/$name
    if [ -z "$(ls -A "$corpus" 2>/dev/null)" ]; then
        echo "$name: $corpus is empty; every fuzz target needs seeds"
        failed=$((failed + 1))
    elif ${RUNNER:-} "$fuzzer" "$corpus"; then
        passed=$((passed + 1))
    else
        echo "$name: exit $?; again: $fuzzer $corpus"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
