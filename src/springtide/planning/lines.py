"""Lines between sites: how wide they are now, which of them an instance away from home crosses, what is left.

A line is reserved in each direction apart: a link and the site that traffic on it goes towards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from heapq import heappop, heappush
from typing import NamedTuple

from springtide.model.events import Reason
from springtide.model.fleet import Fleet, Link
from springtide.model.identifiers import SiteName, TeamName
from springtide.model.resources import Resources
from springtide.planning.line_calendar import bandwidth_of

_LONGEST_LATENCY_SECONDS = 1e9


class LineLoad(NamedTuple):
    """What one instance away from home puts on each link that it crosses, in bits a second."""

    to_home: int = 0
    from_home: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One link on the way, crossed towards one of its ends."""

    link: Link
    towards: SiteName

    @property
    def back(self) -> Step:
        """The same link in the other direction."""
        one, other = self.link.sites
        return Step(self.link, one if self.towards == other else other)


@dataclass(frozen=True, slots=True)
class Routes:
    """Ways between sites along links. Build with :meth:`of`."""

    links: tuple[Link, ...]

    @classmethod
    def of(cls, links: Iterable[Link]) -> Routes:
        """From the fleet's links, in any order; of links alike in name and latency the widest is taken."""
        return cls(tuple(sorted(links, key=lambda each: (each.name, -each.bits_per_second, repr(each)))))

    def path(self, start: SiteName, end: SiteName) -> tuple[Step, ...] | None:
        """The way of lowest latency, then fewest links, then names; ``None`` where no link leads there.

        A fleet without any link is one network without limit: its ways cross nothing. The way back is
        the same way, backwards.
        """
        if start == end or not self.links:
            return ()
        if end < start:
            there = self.path(end, start)
            return there and tuple(step.back for step in reversed(there))
        return self._search(start, end)

    def _search(self, start: SiteName, end: SiteName) -> tuple[Step, ...] | None:
        """Dijkstra's algorithm; whole nanoseconds, so that equal sums are equal."""
        seen: set[SiteName] = set()
        queue: list[tuple[int, int, tuple[str, ...], tuple[int, ...], SiteName]] = [(0, 0, (), (), start)]
        while queue:
            nanoseconds, count, names, numbers, site = heappop(queue)
            if site == end:
                return tuple(self._steps(start, numbers))
            if site in seen:
                continue
            seen.add(site)
            for number, link in enumerate(self.links):
                if site in link.sites:
                    far = Step(link, site).back.towards
                    far_nanoseconds = nanoseconds + _latency_nanoseconds(link)
                    heappush(queue, (far_nanoseconds, count + 1, (*names, link.name), (*numbers, number), far))
        return None

    def _steps(self, start: SiteName, numbers: tuple[int, ...]) -> Iterator[Step]:
        site = start
        for number in numbers:
            step = Step(self.links[number], site).back
            yield step
            site = step.towards


def _latency_nanoseconds(link: Link) -> int:
    return round(min(max(0.0, link.latency_seconds), _LONGEST_LATENCY_SECONDS) * 1e9)


def home_site_of(fleet: Fleet, team: TeamName) -> SiteName | None:
    """Where a team's traffic comes in: the site of its first own pool by name, else the first private site.

    ``None`` where every site is a cloud: nothing is away from home then.
    """
    own = sorted((pool.name, pool.site) for pool in fleet.pools if pool.team == team and not pool.is_elastic)
    private = sorted(site.name for site in fleet.sites if not site.is_cloud)
    return own[0][1] if own else next(iter(private), None)


@dataclass(slots=True)
class LineLoads:
    """What is reserved of each link, in each direction, in bits a second: working state of one plan.

    Kept apart are what stands, what of it is about to leave, and what is promised to those who wait. An instance may
    come *now* if it fits beside all that stands, and beside what is left and promised later; and *later* if it fits
    beside the latter. Whoever moves an instance reserves for both copies; whoever lets an image be pulled says so
    once for each node and revision. What is there already may be reserved without asking, on a line that has become
    narrower too: nobody is evicted for it, and nothing is admitted until it fits again.
    """

    routes: Routes
    now: datetime
    _standing: dict[Step, int] = field(default_factory=dict)
    _leaving: dict[Step, int] = field(default_factory=dict)
    _promised: dict[Step, int] = field(default_factory=dict)
    _overloads: tuple[Reason, ...] | None = None
    """Known until something else stands."""
    _bandwidths: dict[Link, int] = field(default_factory=dict)
    _paths: dict[tuple[SiteName, SiteName], tuple[Step, ...] | None] = field(default_factory=dict)

    def refusal_of(
        self, home: SiteName | None, site: SiteName, load: tuple[int, int], pulls: bool, *, is_now: bool = True
    ) -> Reason | None:
        """Why an instance of a service at home there can't stand at a site, now or later; ``None`` where it can.

        ``load`` is its bits a second (to home, from home); with ``pulls`` its node pulls the image.
        """
        path = self._path(home, site)
        if path is None:
            sentence = f"No link leads from {home} to {site}."
            return Reason("no-line", sentence, (("home", str(home)), ("site", site)))
        for step, asked in self._asked(path, load, pulls):
            reserved = self.reserved(step) if is_now else self.reserved_later(step)
            if asked > 0 and reserved + asked > self.bandwidth(step.link):
                return _full_line(step, reserved, self.bandwidth(step.link), asked)
        return None

    def asked(self, home: SiteName | None, site: SiteName, load: tuple[int, int], pulls: bool) -> Resources:
        """What one instance puts on each line and direction that it crosses, as amounts by kind."""
        path = self._path(home, site) or ()
        return Resources.of((self._kind(step), bits) for step, bits in self._asked(path, load, pulls))

    def left_later(self, home: SiteName | None, site: SiteName) -> Resources:
        """What the lines between two sites have left once all that leaves has left; less than nought where narrowed."""
        steps = [each for step in self._path(home, site) or () for each in (step, step.back)]
        return Resources.of((self._kind(step), self.bandwidth(step.link) - self.reserved_later(step)) for step in steps)

    def has_promised(self, home: SiteName | None, site: SiteName) -> bool:
        """Whether anybody waits to cross any of the lines between two sites."""
        steps = (each for step in self._path(home, site) or () for each in (step, step.back))
        return any(self._promised.get(step) for step in steps)

    def copies_in(self, home: SiteName | None, site: SiteName, load: tuple[int, int], pulls: bool, most: int) -> int:
        """How many more such instances the line carries, at most ``most``; the first of them pulls where asked."""
        path = self._path(home, site)
        if path is None or self.refusal_of(home, site, load, pulls) is not None:
            return 0
        pull = dict(self._asked(path, (0, 0), pulls))
        for step, each in self._asked(path, load, False):
            if each > 0:
                left = self.bandwidth(step.link) - self.reserved(step) - pull[step]
                most = min(most, left // each)
        return most

    def reserve(
        self, home: SiteName | None, site: SiteName, load: tuple[int, int], pulls: bool, copies: int = 1
    ) -> None:
        """Take the line for so many instances, and for one pull where one of them pulls. Never refuses."""
        self._change(self._standing, self._loads(home, site, load, pulls, copies))

    def release(
        self, home: SiteName | None, site: SiteName, load: tuple[int, int], pulls: bool, copies: int = 1
    ) -> None:
        """Give back what :meth:`reserve` took with the same arguments."""
        self._change(self._standing, self._loads(home, site, load, pulls, copies), -1)

    def promise(self, home: SiteName | None, site: SiteName, load: tuple[int, int], pulls: bool) -> None:
        """Keep the line for one instance that waits, and for its pull. Never refuses."""
        self._change(self._promised, self._loads(home, site, load, pulls, 1))

    def let_leave(self, home: SiteName | None, site: SiteName, load: tuple[int, int], sign: int = 1) -> None:
        """From now on one that stands counts as about to leave; with ``sign`` -1 no longer."""
        self._change(self._leaving, self._loads(home, site, load, False, 1), sign)

    def overloads(self) -> tuple[Reason, ...]:
        """Directions on which more stands than the calendar allows now, by link: what `why` says of them."""
        if self._overloads is None:
            over = [
                (step.link.name, step.towards, standing, bandwidth)
                for step, standing in self._standing.items()
                if standing > (bandwidth := self.bandwidth(step.link))
            ]
            self._overloads = tuple(_overload(*each) for each in sorted(over))
        return self._overloads

    def reserved(self, step: Step) -> int:
        """Bits a second of a link in one direction that nobody else may take now."""
        return max(self._standing.get(step, 0), self.reserved_later(step))

    def reserved_later(self, step: Step) -> int:
        """The same once all that leaves has left."""
        return self._standing.get(step, 0) - self._leaving.get(step, 0) + self._promised.get(step, 0)

    def bandwidth(self, link: Link) -> int:
        """Bits a second that a link has now, in either direction."""
        if link not in self._bandwidths:
            self._bandwidths[link] = bandwidth_of(link, self.now)
        return self._bandwidths[link]

    def copy(self) -> LineLoads:
        """The same reservations, to try things on."""
        standing, leaving, promised = dict(self._standing), dict(self._leaving), dict(self._promised)
        return LineLoads(self.routes, self.now, standing, leaving, promised, None, self._bandwidths, self._paths)

    def _path(self, home: SiteName | None, site: SiteName) -> tuple[Step, ...] | None:
        if home is None:
            return ()
        if (home, site) not in self._paths:
            self._paths[home, site] = self.routes.path(home, site)
        return self._paths[home, site]

    def _asked(self, path: tuple[Step, ...], load: tuple[int, int], pulls: bool) -> Iterator[tuple[Step, int]]:
        to_home, from_home = load
        for step in path:
            yield step, from_home + (self._pull(step.link) if pulls else 0)
            yield step.back, to_home

    def _pull(self, link: Link) -> int:
        """A pull can't be faster than the line, however it is shaped."""
        return min(link.pull_bits_per_second, self.bandwidth(link))

    def _loads(
        self, home: SiteName | None, site: SiteName, load: tuple[int, int], pulls: bool, copies: int
    ) -> Iterator[tuple[Step, int]]:
        """What so many instances, and one pull, put on each direction."""
        to_home, from_home = load
        path = self._path(home, site) or ()
        yield from self._asked(path, (0, 0), pulls)
        yield from self._asked(path, (to_home * copies, from_home * copies), False)

    def _change(self, state: dict[Step, int], loads: Iterable[tuple[Step, int]], sign: int = 1) -> None:
        self._overloads = None
        for step, bits_per_second in loads:
            if bits_per_second:
                state[step] = state.get(step, 0) + bits_per_second * sign

    def _kind(self, step: Step) -> str:
        return f"{self.routes.links.index(step.link)} towards {step.towards}"


def _full_line(step: Step, reserved: int, bandwidth: int, asked: int) -> Reason:
    sentence = (
        f"The line {step.link.name} towards {step.towards} has {rate_in_words(reserved)} of "
        f"{rate_in_words(bandwidth)} reserved; {rate_in_words(asked)} more would exceed it."
    )
    return Reason(
        "line-full", sentence, (*_figures(step.link.name, step.towards, reserved, bandwidth), ("asked", asked))
    )


def _overload(name: str, towards: SiteName, reserved: int, bandwidth: int) -> Reason:
    sentence = (
        f"The line {name} towards {towards} has {rate_in_words(bandwidth)} now, and {rate_in_words(reserved)} "
        "reserved: nothing more is admitted, nobody is sent away."
    )
    return Reason("line-overloaded", sentence, _figures(name, towards, reserved, bandwidth))


def _figures(name: str, towards: SiteName, reserved: int, bandwidth: int) -> tuple[tuple[str, int | str], ...]:
    return ("link", name), ("towards", towards), ("reserved", reserved), ("bandwidth", bandwidth)


def rate_in_words(bits_per_second: int) -> str:
    """``250 Mb/s``, ``1 Gb/s``."""
    for unit, size in (("Gb/s", 10**9), ("Mb/s", 10**6), ("kb/s", 10**3)):
        if abs(bits_per_second) >= size:
            return f"{bits_per_second / size:.4g} {unit}"
    return f"{bits_per_second} b/s"
