"""Networks of an app, and how its services stand on them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

OWN_NETWORKS = ""
HOST = "host"
NONE = "none"
BRIDGE = "bridge"


@dataclass(frozen=True, slots=True)
class Attachment:
    """How an instance stands on one network, beyond its service's aliases.

    With several networks the highest ``priority`` is the one at which the control plane reaches the
    instance; the highest ``gateway_priority`` is its way out. A fixed address can be one instance's only.
    """

    network: str
    aliases: tuple[str, ...] = ()
    ipv4_address: str = ""
    ipv6_address: str = ""
    link_local_addresses: tuple[str, ...] = ()
    mac_address: str = ""
    priority: int = 0
    gateway_priority: int = 0
    interface_name: str = ""
    driver_options: tuple[tuple[str, str], ...] = ()

    @property
    def is_fixed(self) -> bool:
        """Whether no second instance can stand like this."""
        return bool(self.ipv4_address or self.ipv6_address or self.link_local_addresses or self.mac_address)


@dataclass(frozen=True, slots=True)
class AddressPool:
    """Where a network takes its addresses from, in the form of ``10.5.0.0/16``."""

    subnet: str = ""
    ip_range: str = ""
    gateway: str = ""
    auxiliary_addresses: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class NetworkDefinition:
    """A network of an app.

    ``external_name`` is the engine's own name of a network that somebody else made and keeps;
    ``engine_name`` is what the engine is to call one that Springtide makes (Compose's ``name``).
    ``internal`` networks have no way out. ``enable_ipv4`` is left to the engine where it is ``None``.
    """

    name: str
    driver: str = ""
    driver_options: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    internal: bool = False
    attachable: bool = False
    enable_ipv4: bool | None = None
    enable_ipv6: bool = False
    ipam_driver: str = ""
    ipam_options: tuple[tuple[str, str], ...] = ()
    ipam: tuple[AddressPool, ...] = ()
    engine_name: str = ""
    external_name: str = ""

    @property
    def is_external(self) -> bool:
        return bool(self.external_name)


class Protocol(StrEnum):
    TCP = "tcp"
    UDP = "udp"
    SCTP = "sctp"


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A port of the instance on its node's machine, past the router: the only way for UDP.

    ``host_port`` 0 takes any free one. With another a second instance can't stand on the same machine.
    """

    target_port: int
    host_port: int = 0
    protocol: Protocol = Protocol.TCP
    host_address: str = ""
    """Where the machine listens; everywhere where this is empty."""


def network_named(name: str, definitions: Iterable[NetworkDefinition]) -> NetworkDefinition:
    """The network of this name, an ordinary one where nothing more is said of it."""
    return next((each for each in definitions if each.name == name), NetworkDefinition(name))
