"""Reading our sources for the checks: files of the tree, their includes, their code without comments and strings."""

import os
import re
from dataclasses import dataclass
from functools import cached_property

CODE_SUFFIXES = (".h", ".cpp", ".c", ".def")
SCRIPT_SUFFIXES = (".py", ".pl", ".pm", ".sh", ".mk")


@dataclass(frozen=True)
class Problem:
    path: str
    line: int
    text: str  # what is wrong and what to do instead

    def __str__(self):
        return f"{self.path}:{self.line}: {self.text}"


_LITERALS = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<d>[^()\s\\]*)\(.*?\)(?P=d)"|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])\'(?:\\.|[^\'\\\n])+\'',
    re.DOTALL,
)


def strip_literals(text):
    """The code alone: comments and string contents are blanked, lines stay where they are."""

    def blank(match):
        found = match.group(0)
        kept = re.sub(r"[^\n]", " ", found)
        return kept if found.startswith("/") else '"' + kept[1:-1] + '"'

    # An include names its file in quotes, so those lines keep theirs.
    lines = _LITERALS.sub(blank, text).split("\n")
    for number, line in enumerate(text.split("\n")):
        if re.match(r"\s*#\s*include\b", line):
            lines[number] = re.sub(r"\s*//.*", "", line)
    return "\n".join(lines)


class Source:
    """One file, by its path relative to the root of the tree."""

    def __init__(self, root, path):
        self.root = root
        self.path = path

    @cached_property
    def text(self):
        with open(os.path.join(self.root, self.path), encoding="utf-8", errors="replace") as file:
            return file.read()

    @cached_property
    def code(self):
        return strip_literals(self.text)

    @cached_property
    def folder(self):
        """src/store/format/x.cpp -> src/store; src/main.cpp -> src/main.cpp; platform/uv/x.h -> platform."""
        parts = self.path.split("/")
        if parts[0] == "src":
            return "/".join(parts[:2])
        return parts[0] if parts[0] == "platform" else "/".join(parts[:2])

    def includes(self):
        """(line, name, quoted) of each #include."""
        for number, line in enumerate(self.code.split("\n"), 1):
            match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if match:
                yield number, match.group(2), match.group(1) == '"'

    def find(self, pattern, text=None):
        """(line, match) of each match of a compiled pattern in the code."""
        text = self.code if text is None else text
        for match in pattern.finditer(text):
            yield text.count("\n", 0, match.start()) + 1, match

    def problem(self, line, text):
        return Problem(self.path, line, text)


def tree(root, suffixes, *folders):
    """All our files with these suffixes below the folders, sorted."""
    found = []
    for folder in folders:
        top = os.path.join(root, folder)
        if os.path.isfile(top):
            found.append(Source(root, folder))
        for where, names, files in os.walk(top):
            names[:] = sorted(n for n in names if n not in ("build", "__pycache__", "corpus"))
            for name in sorted(files):
                if name.endswith(suffixes):
                    found.append(Source(root, os.path.relpath(os.path.join(where, name), root)))
    return found
