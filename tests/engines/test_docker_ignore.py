"""Which files of a build context stay behind."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from springtide.engines.docker_build_context import pack_context
from springtide.engines.docker_ignore import IgnoreRules
from springtide.model.builds import BuildSpec

CASES = [
    ("*.md", "README.md", True),
    ("*.md", "docs/README.md", False),
    ("**/*.md", "docs/deep/README.md", True),
    ("**/*.md", "README.md", True),
    ("docs", "docs/deep/README.md", True),
    ("/docs/", "docs/deep/README.md", True),
    ("docs", "more/docs", False),
    ("a?c", "abc", True),
    ("a?c", "a/c", False),
    ("[ab].txt", "b.txt", True),
    ("[ab].txt", "c.txt", False),
    ("# docs", "docs", False),
    ("*\n!app.py", "app.py", False),
    ("*\n!app.py", "other.py", True),
    ("!app.py\n*", "app.py", True),
    ("", "anything", False),
    ("a.b", "aXb", False),
]


@pytest.mark.parametrize(("text", "name", "left_out"), CASES)
def test_the_last_rule_that_matches_decides(text: str, name: str, left_out: bool) -> None:
    assert IgnoreRules.parse(text).leaves_out(name) is left_out


def test_the_dockerfile_goes_along_whatever_the_rules_say(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "app.py").write_text("")
    (tmp_path / ".dockerignore").write_text("*\n")
    archive, dockerfile = pack_context(BuildSpec(tmp_path))
    with archive, tarfile.open(fileobj=archive) as tar:
        assert (tar.getnames()[1:], dockerfile) == ([".dockerignore", "Dockerfile"], "Dockerfile")
