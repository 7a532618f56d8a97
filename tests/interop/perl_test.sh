#!/bin/bash
# The compact framing as its page alone tells it: the client in Perl against a real broker. The last line is `N passed, M failed`.
set -u
here=$(dirname "$0")
exec perl "$here/perl/selftest.pl" "${RIVULET:-build/native-release/rivulet}" "$here/../../src/wire/compact/PROTOCOL.md"
