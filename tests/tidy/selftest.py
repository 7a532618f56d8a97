"""Proof that the checks would catch a breach: small trees in a temporary folder, some clean and some not."""

import os
import subprocess
import tempfile

import build_checks
import text_checks

_MARK = "TO" + "DO"

# (check, {path: text}, how many problems it must find). What must be found zero times guards against false alarms.
CASES = [
    ("include_direction", {"src/base/a.h": '#include "env/clock.h"\n'}, 1),
    ("include_direction", {"src/env/a.h": '#include "record/batch.h"\n'}, 1),
    ("include_direction", {"src/record/a.h": '#include "env/clock.h"\n'}, 1),
    ("include_direction", {"src/store/a.cpp": '#include "wire/frame.h"\n#include "config/table.h"\n'}, 2),
    ("include_direction", {"src/wire/kafka/a.cpp": '#include "store/journal.h"\n'}, 1),
    ("include_direction", {"src/cluster/a.cpp": '#include "broker/broker.h"\n'}, 1),
    ("include_direction", {"src/server/a.cpp": '#include "platform/uv/loop.h"\n'}, 1),
    ("include_direction", {"src/client/a.cpp": '#include "store/journal.h"\n'}, 1),
    ("include_direction", {"src/cli/a.cpp": '#include "wire/frame.h"\n'}, 1),
    ("include_direction", {"src/sensor/a.c": '#include "base/bytes.h"\n'}, 1),
    ("include_direction", {"src/base/a.cpp": '#include "a.h"\n#include "../env/clock.h"\n'}, 2),
    ("include_direction", {"src/newcomer/a.cpp": '#include "base/bytes.h"\n'}, 1),
    ("include_direction", {"platform/uv/a.cpp": '#include "store/journal.h"\n'}, 1),
    ("include_direction", {"tests/sim/a.cpp": '#include "platform/uv/loop.h"\n'}, 1),
    ("include_direction", {
        "src/main.cpp": '#include "platform/uv/loop.h"\n#include "server/serve.h"\n',
        "src/broker/a.cpp": '#include "cluster/a.h"\n#include "store/a.h"\n#include <span>\n// #include "server/a.h"\n',
        "platform/uv/a.cpp": '#include "env/disk.h"\n#include "base/bytes.h"\n#include <uv.h>\n',
        "tests/platform/a_test.cpp": '#include "platform/uv/loop.h"\n'}, 0),
    ("banned_headers", {"src/base/a.h": "#include <uv.h>\n#include <sys/stat.h>\n#include <thread>\n#include <ini.h>\n"}, 4),
    ("banned_headers", {"src/store/a.h": "#include <mbedtls/ssl.h>\n#include <iostream>\n#include <random>\n"}, 3),
    ("banned_headers", {"src/config/a.cpp": "#include <ini.h>\n#include <span>\n", "platform/a/b.cpp": "#include <uv.h>\n"}, 0),
    ("banned_headers", {"src/record/decompress.cpp": "#include <zlib.h>\n#include <zstd.h>\n", "src/record/decompress.h": "#include <zlib.h>\n", "src/store/a.cpp": "#include <zstd.h>\n"}, 2),
    ("banned_headers", {"src/sensor/a.c": "#include <sys/socket.h>\n", "src/sensor/examples/posix/a.c": "#include <sys/socket.h>\n"}, 1),
    ("banned_calls", {"src/sensor/a.c": "void g(void) { free(x); }\n", "src/sensor/examples/posix/a.c": "void g(void) { free(x); }\n"}, 1),
    ("banned_calls", {"src/store/a.cpp": "void* p = malloc(4);\nint f() { return std::rand(); }\nint t = ::time(nullptr);\n"}, 3),
    ("banned_calls", {"src/store/a.cpp": "void g() { abort(); assert(1); free(x); sprintf(b, c); getenv(d); }\n"}, 5),
    ("banned_calls", {
        "src/base/a.cpp": "void f() { std::abort(); }\n",
        "src/store/a.cpp": "void free(Block* b);\nvoid g() { pool.free(b); clock->time(); static_assert(1); Clock::time(); }\n"
                           '// malloc(1)\nconst char* s = "malloc(1)"; // time(0)\nint runtime(int); int x = runtime(1);\n'}, 0),
    ("no_heap", {"src/store/a.cpp": "auto* p = new int;\nauto* q = new (std::nothrow) int;\nvoid f() { delete p; }\n"}, 3),
    ("no_heap", {"src/store/a.cpp": "auto* p = new (place) int;\nstruct A { A(const A&) = delete; };\n#include <new>\n"
                                    "void operator delete(void*);\n// new delete\n"}, 0),
    ("banned_types", {"src/store/a.cpp": "std::vector<int> v;\nstd::string s;\nstd::function<void()> f;\n"
                                         "std::unordered_map<int, int> m;\nauto t = std::chrono::steady_clock::now();\n"}, 5),
    ("banned_types", {"src/cli/a.cpp": "std::thread t;\n"}, 1),
    ("banned_types", {"src/cli/a.cpp": "std::vector<std::string> v;\n",
                      "src/store/a.cpp": "std::string_view s;\nstd::span<int> p;\nstd::array<int, 2> a;\n"}, 0),
    ("file_size", {"src/base/a.cpp": "\n" * 601, "tests/unit/b.cpp": "\n" * 601, "src/base/c.cpp": "\n" * 600}, 2),
    ("no_ifdef", {"src/store/a.h": "#ifdef X\n#endif\n# if Y\n#endif\n"}, 2),
    ("no_ifdef", {"src/base/a.h": "#ifdef X\n#endif\n", "platform/a/b.h": "#if X\n#endif\n", "src/store/a.h": "#pragma once\n", "src/wire/k.def": "#ifndef X\n#endif\n",
                  "src/sensor/a.h": "#ifdef __cplusplus\n#endif\n"}, 0),
    ("no_marks", {"src/base/a.cpp": f"// {_MARK}: later\n", "tests/unit/a.cpp": "// fine\n"}, 1),
    ("header_comment", {"src/base/a.h": "#pragma once\n", "src/base/b.h": "// Says.\n"}, 2),
    ("header_comment", {"src/base/a.h": "// Says.\n#pragma once\n"}, 0),
    ("make_help", {"Makefile": "a: b ## said\nc: d\nbuild-x: y\nv := 1\n"}, 1),
]


def _write(root, files):
    for path, text in files.items():
        where = os.path.join(root, path)
        os.makedirs(os.path.dirname(where), exist_ok=True)
        with open(where, "w", encoding="utf-8") as file:
            file.write(text)


def _verdict(problems, wanted):
    if len(problems) == wanted:
        return []
    return [f"found {len(problems)}, must find {wanted}: {[str(problem) for problem in problems]}"]


def _build_cases(nm):
    """Header stamps, objects and link maps as a build leaves them."""
    with tempfile.TemporaryDirectory() as root:
        build = build_checks.Build("out", nm)
        _write(root, {"src/base/good.h": "", "src/base/bad.h": "", "out/headers/src/base/good.h.ok": "",
                      "out/headers/src/base/bad.h.err": "src/base/bad.h:7:1: error: 'size_t' does not name a type\n"})
        found = build_checks.headers_alone(root, build)
        yield "headers_alone", _verdict(found, 1) or ([] if found[0].line == 7 else [f"wrong line: {found[0]}"])
    with tempfile.TemporaryDirectory() as root:
        _write(root, {
            "src/base/bad.cpp": "int counter;\nint next() { static int n = 5; return ++n + ++counter; }\n",
            "src/base/good.cpp": "constexpr int table[] = {1, 2};\nextern const char* const names[] = {\"a\"};\n"
                                 "int at(int i) { static const int k[] = {3, 4}; return table[i] + k[i]; }\n"})
        for name in ("bad", "good"):
            os.makedirs(os.path.join(root, "out/obj/src/base"), exist_ok=True)
            subprocess.run([os.environ.get("CXX", "g++"), "-O0", "-fno-pie", "-c", f"{root}/src/base/{name}.cpp",
                            "-o", f"{root}/out/obj/src/base/{name}.o"], check=True)
        yield "no_globals", _verdict(build_checks.no_globals(root, build_checks.Build("out", nm)), 2)
    with tempfile.TemporaryDirectory() as root:
        _write(root, {"out/rivulet.debug.map": "LOAD out/obj/src/base/a.o\nLOAD /usr/lib/crt1.o\n",
                      "out/sim_run.map": "LOAD out/obj/src/base/a.o\nLOAD other/obj/src/base/b.o\nLOAD out/obj/tests/sim/w.o\n",
                      "out/unit_test.map": "LOAD out/obj/tests/unit/a.o\n"})
        yield "same_objects", _verdict(build_checks.same_objects(root, build_checks.Build("out", nm)), 2)
    with tempfile.TemporaryDirectory() as root:
        _write(root, {"tests/bench/good.cpp": "", "tests/bench/bad.cpp": "", "tests/bench/rdkafka/client.cpp": "", "out/obj/tests/bench/good.o": ""})
        yield "benchmarks_compile", _verdict(build_checks.benchmarks_compile(root, build_checks.Build("out", nm)), 1)


def run(nm):
    """(name, problems) of each case."""
    checks = {check.__name__: check for check in text_checks.CHECKS}
    for number, (name, files, wanted) in enumerate(CASES, 1):
        with tempfile.TemporaryDirectory() as root:
            _write(root, files)
            yield f"{name} (case {number})", _verdict(checks[name](root), wanted)
    yield from _build_cases(nm)
    without = set(checks) - {name for name, _, _ in CASES}
    yield "every text check has a case", [f"none for {name}" for name in sorted(without)]
