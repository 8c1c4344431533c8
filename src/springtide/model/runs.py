"""Runs: what has come of services that run to their end, kept after their instances are gone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from springtide.model.identifiers import InstanceId, NodeId, PoolName, RevisionId, ServiceId
from springtide.model.workloads import RestartPolicy, Service

KEPT_COMPLETIONS = 20
"""Of so many completed instances, the last ones, a run keeps what they were, and the engine their logs."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How one instance ended, and where it stood. ``exit_code`` is ``None`` where there is none: it never started.

    ``detail`` says in plain words why, where that is known.
    """

    instance: InstanceId
    node: NodeId
    pool: PoolName
    placed_at: datetime
    ended_at: datetime
    exit_code: int | None = None
    detail: str = ""

    @property
    def in_words(self) -> str:
        """``ended with exit code 3 (out of memory)``; where there is no code, why it failed."""
        if self.exit_code is None:
            return f"failed: {self.detail.removesuffix('.')}"
        known = f"exited with {self.exit_code}"
        detail = f" ({self.detail})" if self.detail and self.detail != known else ""
        return f"ended with exit code {self.exit_code}{detail}"


@dataclass(frozen=True, slots=True)
class Run:
    """How far one revision of a one-shot service has come: instances that completed, and failures in a row.

    ``since`` is when the first instance of it was placed. ``completions`` are the last of those that are
    counted in ``completed``.
    """

    service: ServiceId
    revision: RevisionId
    since: datetime
    completed: int = 0
    failures: int = 0
    completions: tuple[Ending, ...] = ()
    last_failure: Ending | None = None

    def is_of(self, service: Service) -> bool:
        """Whether it is the run that the service wants: of its revision, and begun after it was last restarted."""
        return service.is_current(self.revision, self.since)

    @property
    def endings(self) -> tuple[Ending, ...]:
        """What is kept of those that ended; their containers stay, stopped, for their logs."""
        return self.completions if self.last_failure is None else (*self.completions, self.last_failure)

    def has_failed(self, policy: RestartPolicy, instances: int) -> bool:
        """Whether nothing is tried any more, of so many instances in all, since too many have failed."""
        return self.failures > 0 and policy.gives_up_after(self.failures, instances)

    def with_completion(self, ending: Ending) -> Run:
        """The run once one more has completed."""
        return replace(self, completed=self.completed + 1, completions=(*self.completions, ending)[-KEPT_COMPLETIONS:])

    def with_failure(self, ending: Ending, seconds: float, policy: RestartPolicy) -> Run:
        """The run once one more has failed, after it had run for so long."""
        counts_anew = 0 < policy.window_seconds <= seconds
        return replace(self, failures=1 if counts_anew else self.failures + 1, last_failure=ending)
