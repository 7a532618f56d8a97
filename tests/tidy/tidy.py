#!/usr/bin/env python3
"""The rules of the code, as tests: each rule is one, and each rule's proof that it would catch a breach is another.

usage, from the root of the tree: tidy.py --out build/native-release --nm nm
Findings are printed as file:line with what to do instead; the last line is "N passed, M failed".
"""

import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

import build_checks
import selftest
import text_checks


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True, help="the build folder, for objects, maps and header stamps")
    parser.add_argument("--nm", default="nm")
    options = parser.parse_args()
    root = os.getcwd()
    build = build_checks.Build(options.out, options.nm)

    passed = failed = 0
    results = [(check.__name__, check.__doc__, check(root)) for check in text_checks.CHECKS]
    results += [(check.__name__, check.__doc__, check(root, build)) for check in build_checks.CHECKS]
    results += [("would catch: " + name, "", problems) for name, problems in selftest.run(options.nm)]
    for name, rule, problems in results:
        if not problems:
            passed += 1
            continue
        failed += 1
        print(f"failed: {name}: {rule.strip()}")
        for problem in problems:
            print(f"  {problem}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
