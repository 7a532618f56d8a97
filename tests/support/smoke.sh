#!/bin/bash
# The linked program itself: static, for the right machine, and able to start. usage: smoke.sh BUILD
# From the Makefile: TOOLCHAIN, RUNNER (emulator or empty), CC.
set -u
out=$1
program=$out/rivulet
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0
check() { # name, command...
    local name=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        passed=$((passed + 1))
    else
        echo "failed: $name (exit $?)"
        sed 's/^/    /' "$work/log"
        failed=$((failed + 1))
    fi
}

is_static() { ! readelf -lW "$program" | grep -E 'INTERP|DYNAMIC'; }
says_version() { $RUNNER "$program" --version | tee /dev/stderr | grep -qF "$(cat VERSION)"; }
checks_config() { $RUNNER "$program" check-config; }
check "no loader, no shared library" is_static
check "--version says what VERSION says" says_version
check "check-config accepts the built-in defaults" checks_config
for profile in config/*.conf; do
    check "check-config accepts $profile" $RUNNER "$program" check-config -c "$profile"
done

if [ "$TOOLCHAIN" = armv6-linux-gnueabi ]; then
    is_armv6() { readelf -A "$program" | tee /dev/stderr | grep -qE 'Tag_CPU_arch: v6(K|KZ)?$'; }
    check "built for ARMv6" is_armv6
    # Proof that the emulator would notice: an ARMv7 instruction must be refused.
    cat >"$work/v7.c" <<'EOF'
int main(void) { __asm__ volatile(".arch armv7-a\n\tmovw r0, #1" ::: "r0"); return 0; }
EOF
    dies_on_v7() {
        $CC -static -o "$work/v7" "$work/v7.c" || return 1
        $RUNNER "$work/v7"
        [ $? = 132 ] # SIGILL
    }
    check "the emulated ARM1176 refuses ARMv7 code" dies_on_v7
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
