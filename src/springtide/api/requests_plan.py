"""What may be supposed of the running fleet, as people and programs send it: one shape for each kind."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from springtide.api.requests import MOST_INSTANCES, Asked
from springtide.model.identifiers import CloudName, NodeId, PoolName, ServiceId, TeamName
from springtide.model.resources import Ceiling, Resources
from springtide.planning import what_if
from springtide.planning.what_if import MOST_NODES, Quota

MOST_CHANGES = 50
LONGEST_SPIKE_SECONDS = 7 * 86_400.0
Kind = Annotated[str, Field(min_length=1, max_length=64)]
Amount = Annotated[int, Field(ge=0, le=2**60)]
Amounts = Annotated[dict[Kind, Amount], Field(min_length=1, max_length=16)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Count = Annotated[int, Field(ge=0, le=MOST_INSTANCES)]
NodeCount = Annotated[int, Field(ge=1, le=MOST_NODES)]
Percent = Annotated[int, Field(ge=0, le=100)]


class TeamMoreRequest(Asked):
    """A team joins, with a pool of its name: so many nodes with these amounts each."""

    kind: Literal["team-more"]
    team: Name
    nodes: NodeCount
    shape: Amounts
    contribution_percent: Percent = 10
    weight: int = Field(default=1, ge=1, le=1_000_000)

    def supposition(self) -> what_if.TeamMore:
        shape = Resources.of(self.shape)
        return what_if.TeamMore(TeamName(self.team), self.nodes, shape, self.contribution_percent, self.weight)


class NodeLessRequest(Asked):
    """A node of the fleet file leaves."""

    kind: Literal["node-less"]
    node: Name

    def supposition(self) -> what_if.NodeLess:
        return what_if.NodeLess(NodeId(self.node))


class NodesMoreRequest(Asked):
    """A pool has so many nodes more, like its last one where no amounts are given."""

    kind: Literal["nodes-more"]
    pool: Name
    count: NodeCount
    shape: Amounts | None = None

    def supposition(self) -> what_if.NodesMore:
        shape = Resources.of(self.shape) if self.shape is not None else None
        return what_if.NodesMore(PoolName(self.pool), self.count, shape)


class PoolLimitRequest(Asked):
    """Another contribution, lending limit (of the kinds named), or number of nodes that may be rented."""

    kind: Literal["pool-limit"]
    pool: Name
    contribution_percent: Percent | None = None
    lending: Amounts | None = None
    max_nodes: Count | None = None

    def supposition(self) -> what_if.PoolLimit:
        lending = Ceiling.of(self.lending or {})
        return what_if.PoolLimit(PoolName(self.pool), self.contribution_percent, lending, self.max_nodes)


class TeamLimitRequest(Asked):
    """Another nominal quota, lending or borrowing limit of a team or department, of the kinds named."""

    kind: Literal["team-limit"]
    team: Name
    limit: Quota
    amounts: Amounts
    is_department: bool = False

    def supposition(self) -> what_if.TeamLimit:
        return what_if.TeamLimit(self.team, self.limit, Ceiling.of(self.amounts), self.is_department)


class BudgetRequest(Asked):
    """Another budget; ``null`` lifts it."""

    kind: Literal["budget"]
    period: Literal["hour", "day", "month"]
    limit_micros: Amount | None

    def supposition(self) -> what_if.BudgetLimit:
        return what_if.BudgetLimit(self.period, self.limit_micros)


class ServiceLimitRequest(Asked):
    """Another minimum, maximum, or both (the same: a fixed count) of a service."""

    kind: Literal["service-limit"]
    service: Name
    minimum: Count | None = None
    maximum: Count | None = None

    def supposition(self) -> what_if.ServiceLimit:
        return what_if.ServiceLimit(ServiceId(self.service), self.minimum, self.maximum)


class SpikeRequest(Asked):
    """More load at once: ``times`` the present one or a rate, for ``seconds`` or (``null``) for good."""

    kind: Literal["spike"]
    service: Name
    times: float | None = Field(default=None, gt=0, le=1e6)
    requests_per_second: float | None = Field(default=None, ge=0, le=1e9)
    seconds: float | None = Field(default=None, gt=0, le=LONGEST_SPIKE_SECONDS)

    def supposition(self) -> what_if.Spike:
        return what_if.Spike(ServiceId(self.service), self.times, self.requests_per_second, self.seconds)


class CloudOutRequest(Asked):
    """A cloud has nothing left to rent; what is rented stays."""

    kind: Literal["cloud-out"]
    cloud: Name

    def supposition(self) -> what_if.CloudOut:
        return what_if.CloudOut(CloudName(self.cloud))


ChangeRequest = Annotated[
    TeamMoreRequest
    | NodeLessRequest
    | NodesMoreRequest
    | PoolLimitRequest
    | TeamLimitRequest
    | BudgetRequest
    | ServiceLimitRequest
    | SpikeRequest
    | CloudOutRequest,
    Field(discriminator="kind"),
]


class WhatIfRequest(Asked):
    """What is supposed, in order; nothing where only the present is to be played forward.

    ``limit_seconds`` bounds how long the control plane may work on the answer.
    """

    changes: list[ChangeRequest] = Field(default=[], max_length=MOST_CHANGES)
    limit_seconds: float = Field(default=60.0, ge=0.1, le=600.0)
