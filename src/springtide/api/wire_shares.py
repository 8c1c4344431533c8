"""What the API sends of quotas and fairness: who holds, lends and borrows how much, and whose share it is."""

from __future__ import annotations

from pydantic import Field

from springtide.api.wire_base import Amounts, Wire


class LimitWire(Wire):
    """A ceiling of a team or a department on one kind, and what counts toward it now."""

    limit: str = Field(description="nominal, lending_limit or borrowing_limit.")
    kind: str
    used: int
    most: int


class TeamShareWire(Wire):
    """A team's part in what its cohort shares and may lend.

    ``share`` is its weighted dominant share: the largest, over kinds, of use beyond its own over its
    cohort's capacity, divided by its weight. ``part`` is the same before the weight divides it, and
    ``fair_part`` what that would be if all teams of the cohort used it in the ratio of their weights.
    """

    team: str
    department: str | None
    cohort: str
    weight: int
    share: float
    part: float = Field(description="Of the dominant kind's capacity: 0.5 is half.")
    fair_part: float
    dominant: str | None = Field(description="The kind of which it uses the largest part; null where it uses none.")
    beyond_own: Amounts = Field(description="On the rungs shared and borrowed, without what drains.")
    own: Amounts = Field(description="Its own quota on its pools.")
    own_used: Amounts = Field(description="What it uses of that itself.")
    lent: Amounts = Field(description="What guests use on its pools.")
    limits: list[LimitWire]


class DepartmentShareWire(Wire):
    """A department's ceilings with what counts toward them."""

    department: str
    parent: str | None
    cohort: str
    limits: list[LimitWire]


class CohortWire(Wire):
    """Teams that lend to one another, and all that their pools share or may lend."""

    cohort: str = Field(description="Empty for those that name none.")
    teams: list[str]
    capacity: Amounts


class SharesWire(Wire):
    """Who has which share now, in the fleet file's order."""

    cohorts: list[CohortWire]
    teams: list[TeamShareWire]
    departments: list[DepartmentShareWire]
