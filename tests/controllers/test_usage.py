"""Whose use is sampled: what scales by cpu, and what loads a line where it stands away from home."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from springtide.controllers.mailbox import Mailbox
from springtide.controllers.usage import UsageWatcher
from springtide.model.fleet import Fleet, Link
from springtide.model.identifiers import InstanceId, PoolName, SiteName
from springtide.model.observations import Usage
from springtide.model.record import Change, Commit, Kind, Record
from springtide.model.workloads import ScalePolicy
from tests.builders import START, a_fleet, a_placement, a_service

LINE = Link((SiteName("home"), SiteName("away")), 10**8)
AWAY = PoolName("burst")


class CountingEngine:
    """Answers with traffic for whatever it is asked about, and keeps the questions."""

    def __init__(self) -> None:
        self.asked: list[Sequence[InstanceId]] = []

    async def usage(self, ids: Sequence[InstanceId]) -> Mapping[InstanceId, Usage]:
        self.asked.append(ids)
        return {id: Usage(0, 0, 0, received_bytes=1, sent_bytes=2) for id in ids}


def a_record(fleet: Fleet) -> Record:
    """Services that scale by cpu, load a line, and do neither; one instance of each at home and one away."""
    services = (
        a_service("feed/cpu", scale=ScalePolicy(1, 2, cpu_percent=50)),
        a_service("feed/line", line_load_bits_per_second=1000),
        a_service("feed/plain"),
    )
    placements = [
        a_placement(each.id, ordinal, **where)
        for each in services
        for ordinal, where in ((1, {"pool": PoolName("feed")}), (2, {"pool": AWAY}))
    ]
    changes: list[Any] = [Change(Kind.FLEET, "fleet", fleet)]
    changes += [Change(Kind.SERVICE, each.id, each) for each in services]
    changes += [Change(Kind.PLACEMENT, each.instance, each) for each in placements]
    return Record().after(Commit(1, tuple(changes)))


@pytest.mark.parametrize(
    ("links", "expected"),
    [((LINE,), ["feed-cpu-1", "feed-cpu-2", "feed-line-2"]), ((), ["feed-cpu-1", "feed-cpu-2"])],
)
async def test_sampled_is_what_scales_by_cpu_and_what_loads_a_line_away_from_home(
    links: tuple[Link, ...], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("springtide.controllers.usage.LOOK_SECONDS", 0)
    engine, mailbox, record = CountingEngine(), Mailbox(), a_record(replace(a_fleet(), links=links))
    await UsageWatcher(engine, mailbox, lambda: record, lambda: START).look()  # type: ignore[arg-type]
    assert engine.asked == [expected]
