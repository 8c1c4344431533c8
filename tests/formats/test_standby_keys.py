"""``x-springtide.scale.standby``: what it says, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from springtide.model.errors import ComposeFileError
from springtide.model.leases import Rung
from springtide.model.workloads import StandbyPolicy
from tests.formats.compose_files import web

DAY = 86_400.0


@pytest.mark.parametrize(
    ("standby", "policy"),
    [
        ("4", StandbyPolicy(4)),
        ("0", StandbyPolicy(0)),
        ("{count: 4}", StandbyPolicy(4)),
        ("{count: 4, max_age: 12h}", StandbyPolicy(4, (), 12 * 3600.0)),
        ("{shared: 2, own: 3}", StandbyPolicy(5, ((Rung.OWN, 3), (Rung.SHARED, 2)), DAY)),
        ("{borrowed: 1, max_age: 90s}", StandbyPolicy(1, ((Rung.BORROWED, 1),), 90.0)),
    ],
)
def test_so_many_stand_by(tmp_path: Path, standby: str, policy: StandbyPolicy) -> None:
    scale = web(tmp_path, f"x-springtide: {{scale: {{min: 1, max: 9, standby: {standby}}}}}").service.scale
    assert scale.standby == policy


@pytest.mark.parametrize(
    ("standby", "sentence"),
    [
        ("9", "beside the one that serves"),
        ("-1", "can't stand by"),
        ("many", "whole number"),
        ("{}", "how many are to stand by"),
        ("{max_age: 1h}", "how many are to stand by"),
        ("{count: 2, own: 2}", "say how many already"),
        ("{cloud: 2}", "doesn't support 'cloud'"),
        ("{owned: 2}", "isn't known here"),
        ("{own: 2, max_age: 0s}", "no time at all"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(tmp_path: Path, standby: str, sentence: str) -> None:
    with pytest.raises(ComposeFileError, match=sentence) as refused:
        web(tmp_path, f"x-springtide: {{scale: {{min: 1, max: 9, standby: {standby}}}}}")
    assert refused.value.line


def test_with_a_fixed_count_nobody_could_ever_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(ComposeFileError, match="at most 1 instances"):
        web(tmp_path, "x-springtide: {scale: {standby: 1}}")
