"""Which files of a build context stay behind: the rules of ``.dockerignore``.

Source: https://docs.docker.com/build/concepts/context/#dockerignore-files (Go's filepath.Match, plus
``**`` and ``!``; the last rule that matches decides; a match of a folder takes what is in it).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

TOKEN = re.compile(r"\*\*/?|\*|\?|\[[^\]]*\]|\\.|.")


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """Rules in the file's order, each with whether it leaves out (or, after ``!``, takes back)."""

    rules: tuple[tuple[re.Pattern[str], bool], ...] = ()
    always: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path, always: tuple[str, ...] = ()) -> IgnoreRules:
        """The rules of a file; none where there is no such file. ``always`` are never left out."""
        return cls.parse(path.read_text() if path.is_file() else "", always)

    @classmethod
    def parse(cls, text: str, always: tuple[str, ...] = ()) -> IgnoreRules:
        lines = [line.strip() for line in text.splitlines() if not line.startswith("#")]
        return cls(tuple(_rule(line) for line in lines if line.lstrip("!").strip("/ ")), always)

    def leaves_out(self, name: str) -> bool:
        """Whether the file or folder of this name (relative, with slashes) stays behind."""
        if name in self.always:
            return False
        verdict = False
        for pattern, leaves_out in self.rules:
            if pattern.fullmatch(name):
                verdict = leaves_out
        return verdict


def _rule(line: str) -> tuple[re.Pattern[str], bool]:
    taken_back = line.startswith("!")
    glob = line.lstrip("!").strip().strip("/").removeprefix("./")
    return re.compile("".join(map(_translate, TOKEN.findall(glob))) + "(/.*)?"), not taken_back


def _translate(token: str) -> str:
    match token:
        case "**/":
            return "(.*/)?"
        case "**":
            return ".*"
        case "*":
            return "[^/]*"
        case "?":
            return "[^/]"
        case _ if len(token) > 1:
            return token
        case _:
            return re.escape(token)
