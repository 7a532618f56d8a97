#!/bin/bash
# Stripped sizes against limits. usage: size.sh TOOLCHAIN:BYTES...   with BUILD, the folder of builds
# (a missing program is skipped, a probe is not)
# The probe is the product plus all of TLS, see tls_probe.cpp. The sensor library is measured for its own processors, see sensor.sh.
set -u
passed=0
failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '%-10s %-22s %10s %10s\n' file toolchain bytes limit
for entry in "$@"; do
    toolchain=${entry%:*}
    limit=${entry#*:}
    out=$BUILD/$toolchain-release
    case $toolchain in armv6-*) prefix=arm-linux-gnueabi- ;; *) prefix= ;; esac
    for name in rivulet tls_probe; do
        file=$out/$name
        if [ "$name" = rivulet ]; then
            [ -e "$file" ] || continue
        else
            ${prefix}strip -o "$work/$name" "$file" || { failed=$((failed + 1)); continue; }
            file=$work/$name
        fi
        bytes=$(stat -c %s "$file")
        verdict=
        if [ "$bytes" -le "$limit" ]; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            verdict="too large by $((bytes - limit)): $out/$name.debug.map or $out/$name.map shows what is in it"
        fi
        printf '%-10s %-22s %10d %10d %s\n' "$name" "$toolchain" "$bytes" "$limit" "$verdict"
    done
done
. tests/size/sensor.sh
sensor_sizes
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
