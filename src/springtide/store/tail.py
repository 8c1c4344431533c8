"""The newest commits in memory, and the wait for the next one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from springtide.model.record import Commit


class CommitTail:
    """The last ``kept`` commits up to ``version``, with no gap, for any number of followers in one event loop."""

    def __init__(self, kept: int, version: int = 0) -> None:
        self._commits: deque[Commit] = deque(maxlen=kept)
        self._version = version
        self._news = asyncio.Event()
        self._closings = 0

    @property
    def version(self) -> int:
        """The version of the newest commit."""
        return self._version

    @property
    def oldest(self) -> int:
        """The oldest version after which every commit is held."""
        return self._version - len(self._commits)

    @property
    def news(self) -> asyncio.Event:
        """Set at the next commit or closing. Take it before looking at the tail, so that none is missed."""
        return self._news

    @property
    def closings(self) -> int:
        """How often the tail was closed: a follower ends when this changes."""
        return self._closings

    def append(self, commit: Commit) -> None:
        """Add the next commit. Raises ValueError where it would leave a gap."""
        if commit.version != self._version + 1:
            raise ValueError(f"commit {commit.version} does not follow {self._version}")
        self._commits.append(commit)
        self._version = commit.version
        self._wake()

    def catch_up(self, commits: Sequence[Commit], version: int) -> None:
        """Follow a record that is at ``version``; ``commits`` are the newest ones up to there, in order.

        Where they don't reach back to what is held, what is held is dropped: there is never a gap.
        """
        before = commits[0].version - 1 if commits else version
        if before > self._version:
            self._commits.clear()
            self._version = before
            self._wake()
        for commit in commits:
            if commit.version > self._version:
                self.append(commit)

    def after(self, version: int) -> Sequence[Commit]:
        """The commits after ``version``, in order; ``version`` must be at least ``oldest``."""
        newer: list[Commit] = []
        for commit in reversed(self._commits):
            if commit.version <= version:
                break
            newer.append(commit)
        newer.reverse()
        return newer

    def close(self) -> None:
        """End every follower."""
        self._closings += 1
        self._wake()

    def _wake(self) -> None:
        # A fresh event for the next round: clearing the old one could hide it from a slow follower.
        self._news.set()
        self._news = asyncio.Event()
