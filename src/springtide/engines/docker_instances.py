"""Instances in the words of the Docker Engine's API and back: pure, no call is made here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from springtide.model.identifiers import AppName, InstanceId, NodeId, RevisionId, ServiceId
from springtide.model.mounts import VolumeDefinition
from springtide.model.networks import BRIDGE, HOST, NetworkDefinition
from springtide.model.observations import ContainerState, EngineInstance

INSTALLATION = "springtide.installation"
APP = "springtide.app"
SERVICE = "springtide.service"
INSTANCE = "springtide.instance"
REVISION = "springtide.revision"
NODE = "springtide.node"
NETWORK = "springtide.network"
VOLUME = "springtide.volume"
DEFINITION = "springtide.definition"
"""A digest of how a network or volume was asked for: a later wish can be compared with it."""
COMPANION = "springtide.companion"
"""On containers of a pod but its first: which of its companions this is."""
COMPANIONS = "springtide.companions"
"""On the first container of a pod: the names of all its companions, in order."""

DEFAULT_MODE = "default"
HOLDING_ADDRESS = (ContainerState.RUNNING, ContainerState.PAUSED)
OUT_OF_MEMORY = "out of memory"


RowOfList = TypeVar("RowOfList", bound="Row")


class Row(Protocol):
    """One row of ``GET /containers/json``: a dictionary, or aiodocker's wrapping of one."""

    def __getitem__(self, key: str, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class ContainerNames:
    """How things of one installation are called in the engine."""

    installation: str

    @property
    def labels(self) -> dict[str, str]:
        """What everything of this installation carries."""
        return {INSTALLATION: self.installation}

    def container(self, id: InstanceId, companion: str = "") -> str:
        return f"springtide-{self.installation}-{id}{'.' if companion else ''}{companion}"

    def network(self, app: AppName, network: str) -> str:
        return f"springtide-{self.installation}-{app}-{network}"

    def network_of(self, app: AppName, network: NetworkDefinition) -> str:
        return network.external_name or network.engine_name or self.network(app, network.name)

    def volume_of(self, app: AppName, volume: VolumeDefinition) -> str:
        own = f"springtide-{self.installation}-{app}-{volume.name}"
        return volume.external_name or volume.engine_name or own


def instance_of(rows: Sequence[Row], detail: str = "", host_address: str | None = None) -> EngineInstance:
    """An instance from its rows of ``GET /containers/json``, the first container's first.

    ``detail`` says why it ended if it has. The list doesn't tell when a container was started, so
    ``started_at`` is when it was created: the two are one step in :meth:`DockerEngine.create`.
    ``host_address`` is where the engine's machine is reached, for those that share its network.
    """
    first = rows[0]
    labels = first["Labels"]
    ended = next(filter(has_ended, rows), None)
    return EngineInstance(
        id=InstanceId(labels[INSTANCE]),
        service=ServiceId(labels[SERVICE]),
        revision=RevisionId(labels[REVISION]),
        node=NodeId(labels[NODE]),
        state=pod_state(rows),
        image=str(first["Image"]),
        address=_address(first, host_address),
        started_at=datetime.fromtimestamp(int(first["Created"]), UTC),
        exit_code=None if ended is None else exit_code_of(str(ended["Status"])),
        detail=detail,
    )


def pod_state(rows: Sequence[Row]) -> ContainerState:
    """Of all containers of an instance as one: ended when one has ended, running when all run.

    One of whose containers some are missing or were never started is half-made: created.
    """
    states = {state_of(str(row["State"])) for row in rows}
    if ContainerState.EXITED in states:
        return ContainerState.EXITED
    if ContainerState.CREATED in states or missing_companions(rows):
        return ContainerState.CREATED
    return ContainerState.PAUSED if states == {ContainerState.PAUSED} else ContainerState.RUNNING


def companions_of(row: Row) -> tuple[str, ...]:
    """Which companions the first container of an instance has."""
    return tuple(name for name in row["Labels"].get(COMPANIONS, "").split(",") if name)


def missing_companions(rows: Sequence[Row]) -> tuple[str, ...]:
    present = {row["Labels"].get(COMPANION) for row in rows}
    return tuple(name for name in companions_of(rows[0]) if name not in present)


def in_pods(rows: Iterable[RowOfList]) -> list[tuple[RowOfList, ...]]:
    """Rows of one instance together, its first container's first; companions whose first is gone are left out.

    The order of the list stays.
    """
    pods: dict[str, list[RowOfList]] = {}
    companions: dict[str, list[RowOfList]] = {}
    for row in rows:
        group = companions if row["Labels"].get(COMPANION) else pods
        group.setdefault(row["Labels"][INSTANCE], []).append(row)
    return [(*firsts, *companions.get(id, ())) for id, firsts in pods.items()]


def has_ended(row: Row) -> bool:
    return state_of(row["State"]) is ContainerState.EXITED


def state_of(word: str) -> ContainerState:
    """Docker's seven states as four; what is being removed or is dead has exited."""
    return {
        "created": ContainerState.CREATED,
        "running": ContainerState.RUNNING,
        "restarting": ContainerState.RUNNING,
        "paused": ContainerState.PAUSED,
    }.get(word, ContainerState.EXITED)


def exit_code_of(status: str) -> int | None:
    """The code in ``Exited (137) 2 minutes ago``; ``None`` where it runs."""
    match = re.match(r"Exited \((\d+)\)", status)
    return int(match[1]) if match else None


def exit_detail(state: Mapping[str, Any]) -> str:
    """Why a container ended, from its inspected ``State``."""
    if state.get("OOMKilled"):
        return OUT_OF_MEMORY
    error = str(state.get("Error") or "")
    return error or f"exited with {state.get('ExitCode')}"


def finished_at(state: Mapping[str, Any]) -> datetime | None:
    """When a container ended, from its inspected ``State``; the engine says the year 1 where it never ran."""
    said = str(state.get("FinishedAt") or "")
    moment = datetime.fromisoformat(said) if said else None
    return moment if moment is not None and moment.year > 1 else None


def _address(row: Row, host_address: str | None) -> str | None:
    """The address on the instance's first network, its network mode; the machine's where it shares that."""
    mode = row["HostConfig"]["NetworkMode"]
    if mode == HOST:
        return host_address if state_of(row["State"]) in HOLDING_ADDRESS else None
    networks = row["NetworkSettings"]["Networks"]
    first = networks.get(BRIDGE if mode == DEFAULT_MODE else mode)
    return (first or {}).get("IPAddress") or None
