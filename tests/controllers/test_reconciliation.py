"""One round of the reconciler over a real record: what is committed, when, and what is carried out of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

import pytest

from springtide.controllers.mailbox import Mailbox
from springtide.controllers.reconciliation import Reconciler
from springtide.controllers.records import RecordFollower
from springtide.model.errors import FenceLostError
from springtide.model.record import Change, Kind
from springtide.model.workloads import Service
from springtide.planning.index import Index
from springtide.planning.planner import Plan, plan
from springtide.store.memory import MemoryStore
from tests.builders import START, a_fleet, a_revision, a_service, an_app

FLEET = Change(Kind.FLEET, "fleet", a_fleet())


class Table:
    """A reconciler at its store. Plans that are carried out are kept, with what the copy of the record held then."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.mailbox = Mailbox()
        self.follower = RecordFollower(self.store, self.mailbox)
        self.carried: list[tuple[Plan, int]] = []
        self.meanwhile: list[Change] = []
        """What somebody else commits while the next plan is being made."""
        self.reconciler = Reconciler(
            self.mailbox, self.follower, self._carry_out, planner=self._plan, now=lambda: START
        )

    def _carry_out(self, index: Index, plan: Plan) -> None:
        self.carried.append((plan, len(self.follower.record.placements)))

    async def _plan(self, index: Index, now: datetime) -> Plan:
        made = plan(index, now)
        if self.meanwhile:
            await self.store.commit(self.meanwhile)
            self.meanwhile = []
        return made


@pytest.fixture
async def table() -> AsyncIterator[Table]:
    table = Table()
    await table.store.commit([FLEET])
    following = asyncio.create_task(table.follower.follow())
    await table.follower.wait_until(1)
    yield table
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def deploy(table: Table, service: Service) -> None:
    version = await table.store.commit(
        [
            Change(Kind.APP, service.app, an_app(service.app, service.id)),
            Change(Kind.REVISION, service.revision, a_revision(service.id, 1)),
            Change(Kind.SERVICE, service.id, service),
        ]
    )
    await table.follower.wait_until(version)


async def test_a_plan_is_carried_out_once_the_copy_of_the_record_shows_its_commit(table: Table) -> None:
    await deploy(table, a_service("feed/web", 2))
    await table.reconciler.reconcile()
    assert [placements for _, placements in table.carried] == [2]


async def test_a_plan_whose_ground_has_changed_is_neither_committed_nor_carried_out_but_made_again(
    table: Table,
) -> None:
    await deploy(table, a_service("feed/web", 2))
    table.meanwhile = [Change(Kind.SERVICE, "feed/web", a_service("feed/web", 3))]
    await table.reconciler.reconcile()
    assert table.carried == []
    assert not (await table.store.read()).placements
    await table.follower.wait_until((await table.store.read()).version)
    await table.reconciler.reconcile()
    assert [placements for _, placements in table.carried] == [3]


async def test_a_control_plane_with_nothing_to_change_takes_over_all_the_same(table: Table) -> None:
    earlier = await table.store.acquire_fence()
    await table.reconciler.reconcile()
    assert [plan.changes for plan, _ in table.carried] == [()]
    with pytest.raises(FenceLostError):
        await table.store.commit([FLEET], fence=earlier)


async def test_who_has_lost_the_fence_commits_and_carries_out_nothing(table: Table) -> None:
    await table.follower.take_fence()
    await table.store.acquire_fence()
    await deploy(table, a_service("feed/web", 2))
    with pytest.raises(FenceLostError):
        await table.reconciler.reconcile()
    assert table.carried == []
    assert not (await table.store.read()).placements
