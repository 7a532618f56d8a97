#!/bin/bash
# The sensor library as firmware sees it: it compiles without a word for armv6-M and for an AVR, whose int has 16 bits, keeps to its sizes on
# the first, and needs nothing of libc but moving bytes. Sourced by size.sh, or run alone. Counts into passed and failed.
sensor_check() {
    local words
    if words=$("${@:2}" 2>&1) && [ -z "$words" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'failed: %s\n%s\n' "$1" "$words"
    fi
}

sensor_at_most() { # what, bytes, limit
    printf '%-10s %-22s %10d %10d %s\n' "$1" "$2" "$3" "$4" "$([ "$3" -le "$4" ] || echo 'too large')"
    if [ "$3" -gt 0 ] && [ "$3" -le "$4" ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

sensor_sizes() {
    local source=src/sensor/rivulet_sensor.c folder
    folder=$(mktemp -d)
    # The compilers come without a C library: this is all that is used of one.
    printf '%s\n' '#include <stddef.h>' 'void *memcpy(void *, const void *, size_t);' 'void *memmove(void *, const void *, size_t);' \
        'void *memset(void *, int, size_t);' >"$folder/string.h"
    printf '%s\n' '#include "rivulet_sensor.h"' 'char state[sizeof(rvs_sensor)];' >"$folder/state.c"
    local flags=(-std=c99 -pedantic -ffreestanding -Os -Wall -Wextra -Wshadow -Wconversion -Werror -I"$folder" -Isrc/sensor)
    local arm=(arm-none-eabi-gcc -mcpu=cortex-m0 -mthumb "${flags[@]}") avr=(avr-gcc -mmcu=atmega2560 "${flags[@]}")

    sensor_check 'cortex-m0' "${arm[@]}" -c -o "$folder/arm.o" $source
    sensor_check 'cortex-m0, state' "${arm[@]}" -fno-common -c -o "$folder/state.o" "$folder/state.c"
    sensor_check 'atmega2560, int of 16 bits' "${avr[@]}" -c -o "$folder/avr.o" $source
    sensor_check 'nothing of libc but memcpy, memmove, memset' sh -c "arm-none-eabi-nm -u $folder/arm.o | grep -vE ' U (mem(cpy|move|set)|__aeabi_.*|__gnu_thumb1_.*)$' || :"
    sensor_check 'no variables of its own' sh -c "arm-none-eabi-nm $folder/arm.o | grep -E ' [dDbBC] ' || :"
    # The sketch, with no more of its world than it uses.
    printf '%s\n' '#include <stddef.h>' '#include <stdint.h>' '#include <stdio.h>' 'enum { A0, A1, WL_CONNECTED };' 'int analogRead(int);' 'unsigned long millis();' \
        'unsigned long micros();' 'long random(long);' 'void randomSeed(unsigned long);' 'struct Port { void begin(long); void println(const char *); } extern Serial;' \
        'struct Net { void begin(const char *, const char *); uint8_t *macAddress(uint8_t *); int status(); } extern WiFi;' \
        'struct WiFiClient { uint8_t connected(); size_t write(const uint8_t *, size_t); int connect(const char *, uint16_t); int available(); int read(uint8_t *, size_t); void stop(); };' \
        >"$folder/WiFi.h"
    sensor_check 'the Arduino sketch' g++ -std=c++11 -fsyntax-only -Wall -Wextra -Isrc/sensor -I"$folder" -x c++ \
        src/sensor/examples/arduino/rivulet_sensor_example/rivulet_sensor_example.ino
    # Berkeley's text is .text and .rodata.
    sensor_at_most sensor 'cortex-m0 text' $(($(arm-none-eabi-size "$folder/arm.o" 2>/dev/null | awk 'NR == 2 { print $1 + $2 }'))) 4096
    sensor_at_most rvs_sensor 'cortex-m0 bytes' $((16#0$(arm-none-eabi-nm -S "$folder/state.o" 2>/dev/null | awk '{ print $2 }'))) 256
    rm -rf "$folder"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    set -u
    passed=0
    failed=0
    sensor_sizes
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ]
fi
