"""Checks of what the compiler and the linker made. Each takes the root and a Build and returns a list of problems."""

import os
import re
import subprocess
from dataclasses import dataclass

import rules
from source import Problem, tree


@dataclass(frozen=True)
class Build:
    out: str  # build/native-release
    nm: str


def headers_alone(root, build):
    """Each header compiles by itself. The Makefile tries each: a stamp for success, the compiler's words otherwise."""
    problems = []
    for source in tree(root, (".h",), "src", "platform", "tests"):
        stamp = os.path.join(root, build.out, "headers", source.path + ".ok")
        if os.path.exists(stamp):
            continue
        words = stamp[:-len(".ok")] + ".err"
        text = "was not tried: run `make build-tidy`"
        line = 1
        if os.path.exists(words):
            with open(words, encoding="utf-8", errors="replace") as file:
                lines = file.read().strip().split("\n")
            first = next((entry for entry in lines if "error" in entry), lines[0])
            at = re.match(re.escape(source.path) + r":(\d+)", first)
            line = int(at.group(1)) if at else 1
            text = f"does not compile alone, include what it uses: {first}"
        problems.append(Problem(source.path, line, text))
    return problems


def benchmarks_compile(root, build):
    """The benchmarks, which no other suite builds."""
    return [Problem(source.path, 1, "does not compile (or `make build-tidy` was not run)") for source in tree(root, (".cpp",), "tests/bench")
            if source.path.count("/") == 2 and not os.path.exists(os.path.join(root, build.out, "obj", os.path.splitext(source.path)[0] + ".o"))]


_DATA = re.compile(r"^\.(?:data|bss|tdata|tbss)(?!\.rel\.ro)")


def no_globals(root, build):
    """No mutable statics or globals in src/: several brokers run in one process under the simulator."""
    problems = []
    for source in tree(root, (".cpp", ".c"), "src"):
        if source.path == "src/main.cpp" or source.path.startswith(rules.EXAMPLES):
            continue
        stem = os.path.splitext(source.path)[0]
        found = os.path.join(root, build.out, "obj", stem + ".o")
        if not os.path.exists(found):
            problems.append(Problem(source.path, 1, "does not compile (or `make objects` was not run)"))
            continue
        listing = subprocess.run([build.nm, "-C", "--format=sysv", found], capture_output=True, text=True, check=True)
        for entry in listing.stdout.splitlines():
            fields = [field.strip() for field in entry.rsplit("|", 6)]
            if len(fields) != 7 or not _DATA.match(fields[6]):
                continue
            name = fields[0]
            if (stem, name) not in rules.MUTABLE_ALLOWED:
                problems.append(Problem(source.path, 1, f"mutable static or global `{name}`: make it a member of the "
                                                        "object that owns it, or constexpr"))
    return problems


def _linked(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return {line.split()[1] for line in file if line.startswith("LOAD ") and len(line.split()) > 1}


def same_objects(root, build):
    """The simulator and the tests link the object files that ship, none compiled another way (from the link maps)."""
    product = os.path.join(root, build.out, "rivulet.debug.map")
    if not os.path.exists(product):
        return []
    shipped = _linked(product)
    problems = []
    for name in ("sim_run", "crash_run", "unit_test", "golden_test", "rivulet-guard"):
        path = os.path.join(root, build.out, name + ".map")
        if not os.path.exists(path):
            continue
        objects = _linked(path)
        for linked in sorted(objects):
            if "/src/" in linked and linked.endswith(".o") and linked not in shipped and "/tests/" not in linked:
                problems.append(Problem(name, 1, f"links {linked}, which the product does not: list it once, as src_objects"))
        if not any("/src/" in linked for linked in objects) and any("/src/" in linked for linked in shipped):
            problems.append(Problem(name, 1, "links nothing of src/, so it tests nothing that ships"))
    return problems


CHECKS = [headers_alone, benchmarks_compile, no_globals, same_objects]
