"""Readiness: each running instance is asked, often while it starts, then at its health check's interval."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from springtide.controllers.mailbox import Mailbox
from springtide.engines.base import Engine, ProbeOutcome
from springtide.model.errors import EngineError
from springtide.model.identifiers import InstanceId
from springtide.model.observations import ContainerState, EngineInstance, ProbedInstance, Readiness
from springtide.model.record import Record
from springtide.model.workloads import Healthcheck

FIRST_PAUSE_SECONDS = 0.03
LONGEST_PAUSE_SECONDS = 0.5
"""A starting instance is asked again after pauses that grow from the first to the longest."""
ANSWER_SECONDS = 2.0

Checks = tuple[tuple[str, Healthcheck], ...]
"""Health checks by companion, the first container's without a name."""


class Prober:
    """Probes every instance that runs, and reports when its readiness changes."""

    def __init__(
        self, engine: Engine, mailbox: Mailbox, record: Callable[[], Record], now: Callable[[], datetime]
    ) -> None:
        self._engine = engine
        self._mailbox = mailbox
        self._record = record
        self._now = now
        self._tasks: dict[InstanceId, asyncio.Task[None]] = {}
        self._unanswered: set[InstanceId] = set()
        self._answered = asyncio.Event()

    def follow(self, id: InstanceId, instance: EngineInstance | None) -> None:
        """Probe this instance from now on, or no longer where it doesn't run."""
        task = self._tasks.pop(id, None)
        if task is not None:
            task.cancel()
        self._unanswered.discard(id)
        if instance is not None and instance.state is ContainerState.RUNNING:
            self._unanswered.add(id)
            self._tasks[id] = asyncio.create_task(self._probe(instance), name=f"probe {id}")
            self._tasks[id].add_done_callback(_show_defect)

    async def wait_for_first_answers(self) -> None:
        """Return when each instance followed so far has answered once, or has had time to."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                while self._unanswered:
                    self._answered.clear()
                    await self._answered.wait()
        except TimeoutError:
            return

    async def close(self) -> None:
        """Stop probing."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()

    async def _probe(self, instance: EngineInstance) -> None:
        checks = self._checks(instance)
        if not checks:
            self._note(instance, Readiness.READY, "running is enough")
            return
        _, check = checks[0]
        readiness, failures, pause = Readiness.STARTING, 0, FIRST_PAUSE_SECONDS
        longest_pause = check.start_interval_seconds or LONGEST_PAUSE_SECONDS
        while True:
            outcome = await self._ask_all(instance, checks)
            failures = 0 if outcome.passed else failures + 1
            before, readiness = readiness, _readiness_after(readiness, outcome, failures, check)
            if readiness is not before or (failures == 1 and readiness is Readiness.STARTING):
                self._note(instance, readiness, outcome.detail)
            self._mark_answered(instance.id)
            if readiness is Readiness.STARTING:
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, longest_pause)
            else:
                await asyncio.sleep(check.interval_seconds)

    async def _ask_all(self, instance: EngineInstance, checks: Checks) -> ProbeOutcome:
        """The first container's outcome if all pass, else that of the first that doesn't."""
        outcomes = [await self._ask(instance, companion, check) for companion, check in checks]
        return next((outcome for outcome in outcomes if not outcome.passed), outcomes[0])

    async def _ask(self, instance: EngineInstance, companion: str, check: Healthcheck) -> ProbeOutcome:
        if check.probe is None:
            return ProbeOutcome(True, "running is enough")
        try:
            outcome = await self._engine.probe(instance, check.probe, check.timeout_seconds, companion)
        except EngineError as error:
            return ProbeOutcome(False, error.sentence)
        return ProbeOutcome(outcome.passed, f"{companion}: {outcome.detail}") if companion else outcome

    def _checks(self, instance: EngineInstance) -> Checks:
        """What must pass for the instance to be ready: of a pod, all containers' probes. The first sets the pace."""
        revision = self._record().revisions.get(instance.revision)
        if revision is None:
            return ()
        template = revision.template
        checks = (("", template.healthcheck), *((each.name, each.template.healthcheck) for each in template.companions))
        return tuple((name, check) for name, check in checks if check.probe is not None)

    def _note(self, instance: EngineInstance, readiness: Readiness, detail: str) -> None:
        self._mailbox.report(ProbedInstance(instance.id, readiness, self._now(), detail))
        self._mark_answered(instance.id)

    def _mark_answered(self, id: InstanceId) -> None:
        self._unanswered.discard(id)
        self._answered.set()


def _readiness_after(before: Readiness, outcome: ProbeOutcome, failures: int, check: Healthcheck) -> Readiness:
    """Passing once makes ready; only so many failures in a row end it."""
    if outcome.passed:
        return Readiness.READY
    if before is Readiness.READY and failures >= max(1, check.retries):
        return Readiness.UNREADY
    return before


def _show_defect(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        asyncio.get_running_loop().call_exception_handler(
            {"message": "a probe loop ended by a defect", "exception": task.exception(), "task": task}
        )
