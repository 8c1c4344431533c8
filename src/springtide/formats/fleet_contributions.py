"""What pools share with guests: said of a pool, or once for all pools of a team or a department."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from springtide.formats.entries import Entry
from springtide.formats.fleet_amounts import check_kind, named_kinds
from springtide.formats.quantities import parse_percent
from springtide.model.resources import Resources

_DEFAULT_PERCENT = 10


@dataclass(frozen=True, slots=True)
class Share:
    """A percentage and where it stands, ``None`` where the file doesn't say it."""

    percent: int
    entry: Entry | None = None

    @property
    def place(self) -> str:
        return "the default" if self.entry is None else f"line {self.entry.line}"


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one level says: one share of every kind (``standard``), or shares of some kinds, or nothing."""

    standard: Share | None = None
    by_kind: Mapping[str, Share] = field(default_factory=dict)

    def over(self, wider: Contribution) -> Contribution:
        """This one, and the wider level's for what it leaves open."""
        if self.standard is not None:
            return self
        return Contribution(wider.standard, {**wider.by_kind, **self.by_kind})

    def of(self, kind: str) -> Share:
        """The share of a kind; the default where no level says one."""
        return self.by_kind.get(kind) or self.standard or Share(_DEFAULT_PERCENT)

    @property
    def percent(self) -> int:
        """The share of the kinds of which nothing else is said."""
        return _DEFAULT_PERCENT if self.standard is None else self.standard.percent

    @property
    def percent_by_kind(self) -> tuple[tuple[str, int], ...]:
        return tuple(sorted((kind, share.percent) for kind, share in self.by_kind.items()))

    def part_of(self, owned: Resources) -> Resources:
        """What is shared of these amounts, rounded down, each kind apart."""
        return Resources.of((kind, amount * self.of(kind).percent // 100) for kind, amount in owned.amounts)


UNSAID = Contribution()


def read_contribution(entry: Entry, kinds: frozenset[str]) -> Contribution:
    """What the ``contribution`` of a pool, team or department says. Raises the file's error above 100%."""
    given = entry.get("contribution")
    if given is None:
        return UNSAID
    if not given.is_mapping:
        return Contribution(_share(given))
    shares = {}
    for kind, named in named_kinds(given):
        check_kind(kind, named, kinds)
        shares[kind] = _share(named)
    return Contribution(by_kind=shares)


def _share(entry: Entry) -> Share:
    percent = entry.parsed(parse_percent)
    if percent > 100:
        raise entry.error(f"A pool can't contribute {percent}% of itself.", "Write at most 100%.")
    return Share(percent, entry)
