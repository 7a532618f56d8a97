"""Checks that read the sources as text. Each takes the root of a tree and returns a list of problems."""

import re

import rules
from source import CODE_SUFFIXES, SCRIPT_SUFFIXES, Source, tree

_OURS = set(rules.MAY_INCLUDE)


def include_direction(root):
    """Includes run one way: base <- env, record <- config, wire, store <- cluster <- broker <- server <- main."""
    problems = []
    for source in tree(root, CODE_SUFFIXES, "src", "platform", "tests"):
        parts = source.path.split("/")
        for line, name, quoted in source.includes():
            target = name.split("/")[0]
            if parts[0] == "platform":
                if target in _OURS and target not in rules.PLATFORM_MAY_INCLUDE:
                    problems.append(source.problem(line, f'platform/ includes "{name}": it may see base/ and env/ alone; '
                                                         "declare an interface in src/env"))
            elif parts[0] == "tests":
                seam = parts[1] in ("unit", "golden", "sim", "crash", "fuzz")
                if seam and target == "platform":
                    problems.append(source.problem(line, f'tests/{parts[1]} includes "{name}": these run without an '
                                                         "operating system; move the test to tests/platform"))
            elif len(parts) == 2:
                pass  # src/main.cpp sees both sides
            else:
                problems += _from_src(source, parts[1], line, name, target, quoted)
    return problems


def _from_src(source, folder, line, name, target, quoted):
    if folder not in rules.MAY_INCLUDE:
        return [source.problem(line, f"src/{folder} has no place in the include order; add it to tests/tidy/rules.py")]
    if target == "platform":
        return [source.problem(line, f'"{name}": only src/main.cpp sees platform/; use the interfaces of src/env')]
    if target == "tests" or name.startswith("."):
        return [source.problem(line, f'"{name}": write the path from src/, as in "base/result.h"')]
    if target in _OURS and "/" in name and target != folder and target not in rules.MAY_INCLUDE[folder]:
        allowed = ", ".join(sorted(rules.MAY_INCLUDE[folder])) or "nothing of ours"
        return [source.problem(line, f'src/{folder} includes "{name}": it may include {allowed}; '
                                     "move the shared part down or pass it in")]
    if quoted and "/" not in name and folder != "sensor":
        return [source.problem(line, f'"{name}": write the path from src/, as in "base/result.h"')]
    return []


def banned_headers(root):
    """src/ reaches the operating system, libuv and mbedTLS only through src/env."""
    problems = []
    for source in tree(root, CODE_SUFFIXES, "src"):
        if source.path == "src/main.cpp" or source.path.startswith(rules.EXAMPLES):
            continue
        for line, name, _ in source.includes():
            for pattern, instead in rules.BANNED_HEADERS.items():
                if re.fullmatch(pattern, name) and not source.path.startswith(rules.HEADERS_ALLOWED.get(name, "-")):
                    problems.append(source.problem(line, f"<{name}>: {instead}"))
    return problems


_CALL = re.compile(r"(?<![\w.>:])(?:(?P<global>std::|::))?(?P<name>" + "|".join(rules.BANNED_CALLS) + r")\s*\(")
_BEFORE = re.compile(r"([\w>&*\]]+)\s*$")
_STATEMENTS = {"return", "else", "do", "throw", "co_return", "case", "and", "or", "not"}


def _is_declaration(code, start):
    """`void free(Block*)` declares or defines a member of ours; `return free(p)` and `x = free(p)` call."""
    before = _BEFORE.search(code[max(0, start - 80):start])
    return bool(before) and before.group(1) not in _STATEMENTS


def banned_calls(root):
    """No call in src/ that allocates, asks the world for time, entropy or environment, or cannot be bounded."""
    problems = []
    for source in tree(root, CODE_SUFFIXES, "src"):
        if source.path.startswith(rules.EXAMPLES):
            continue
        if source.folder == "src/sensor" or source.path == "src/main.cpp":
            allowed = {"assert"} if source.folder == "src/sensor" else set()
        else:
            allowed = rules.CALLS_ALLOWED.get(source.path.split("/")[1], set())
        for line, match in source.find(_CALL):
            name = match.group("name")
            if name in allowed or (not match.group("global") and _is_declaration(source.code, match.start())):
                continue
            problems.append(source.problem(line, f"{name}(): use {rules.BANNED_CALLS[name]}"))
    return problems


_NEW = re.compile(r"(?<!operator )\bnew\b(?!\s*>)(?!\s*\((?!\s*std::nothrow)[^)]*\))")
_DELETE = re.compile(r"(?<!operator )(?<!= )(?<!=)\bdelete\b(?!\s*[;,)]\s*$)")


def no_heap(root):
    """No new (other than placement) and no delete expressions in src/."""
    problems = []
    for source in tree(root, CODE_SUFFIXES, "src"):
        if source.folder == "src/sensor":
            continue
        for line, _ in source.find(_NEW, re.sub(r"#[^\n]*", "", source.code)):
            problems.append(source.problem(line, "new: take memory from the arena or a pool, or use placement new"))
        for line, _ in source.find(_DELETE):
            problems.append(source.problem(line, "delete: nothing in src/ owns heap memory; give it back to its pool"))
    return problems


def banned_types(root):
    """No allocating containers, smart pointers, std::function, clocks or threads in src/ (containers: src/cli may)."""
    problems = []
    containers = re.compile(rules.CONTAINERS + r"\b")
    for source in tree(root, CODE_SUFFIXES, "src"):
        parts = source.path.split("/")
        for pattern, instead in rules.BANNED_TYPES.items():
            for line, match in source.find(re.compile(rf"\bstd::(?:{pattern})\b")):
                if parts[1] in rules.TYPES_ALLOWED and containers.fullmatch(match.group(0)):
                    continue
                problems.append(source.problem(line, f"{match.group(0)}: use {instead}"))
    return problems


def file_size(root):
    """Files of at most 600 lines."""
    problems = []
    for source in tree(root, CODE_SUFFIXES + SCRIPT_SUFFIXES, "src", "platform", "tests", "toolchains", "Makefile"):
        lines = source.text.count("\n")
        if lines > rules.LINES_MAX:
            problems.append(source.problem(lines, f"{lines} lines: split by topic below {rules.LINES_MAX}"))
    return problems


_CONDITION = re.compile(r"^[ \t]*#[ \t]*(?:if|ifdef|ifndef|elif)\b[^\n]*", re.MULTILINE)


def no_ifdef(root):
    """Conditional compilation lives in platform/ and src/base; the C API of src/sensor needs its __cplusplus."""
    problems = []
    for source in tree(root, CODE_SUFFIXES, "src"):
        if source.folder == "src/base" or source.path.endswith(".def"):
            continue  # a .def is a table of macros, which has defaults for the columns that a reader leaves out
        for line, match in source.find(_CONDITION):
            if source.folder == "src/sensor" and "__cplusplus" in match.group(0):
                continue
            problems.append(source.problem(line, "#if outside platform/ and src/base: decide at run time, or put the "
                                                 "difference behind an interface"))
    return problems


_MARKS = re.compile(r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b")


def no_marks(root):
    """No notes to ourselves in the tree."""
    problems = []
    everything = CODE_SUFFIXES + SCRIPT_SUFFIXES + (".md", ".conf", ".service")
    for source in tree(root, everything, "src", "platform", "tests", "toolchains", "config", "Makefile"):
        for line, match in source.find(_MARKS, source.text):
            problems.append(source.problem(line, f"{match.group(0)}: do it, or write it down as a limitation in a document"))
    return problems


def header_comment(root):
    """A header says at its top what it is, before anything else, and is guarded by #pragma once."""
    problems = []
    for source in tree(root, (".h",), "src", "platform"):
        if not source.text.startswith(("// ", "/* ") if source.folder == "src/sensor" else "// "):
            problems.append(source.problem(1, "begins without a comment: say what it is, owns, bounds and returns"))
        guarded = "#pragma once" in source.text
        if not guarded and source.folder != "src/sensor":
            problems.append(source.problem(1, "no #pragma once"))
    return problems


_TARGET = re.compile(r"^([a-z][a-z%-]*):(?!=)([^\n]*)$", re.MULTILINE)
_INTERNAL = re.compile(r"^(?:build|run)-|^force$|^include$")


def make_help(root):
    """`make help` knows every target that a person may call."""
    source = Source(root, "Makefile")
    described = {}
    for line, match in source.find(_TARGET, source.text):
        name, rest = match.groups()
        described.setdefault(name, [line, False])
        if "## " in rest:
            described[name][1] = True
    return [source.problem(line, f'target "{name}" has no "## what it does" after its prerequisites')
            for name, (line, told) in described.items() if not told and not _INTERNAL.match(name)]


CHECKS = [include_direction, banned_headers, banned_calls, no_heap, banned_types, file_size, no_ifdef, no_marks,
          header_comment, make_help]
