"""Networks of an app, and how its services stand on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from springtide.formats.compose_defaults import DEFAULT_NETWORK
from springtide.formats.compose_keys import check_keys
from springtide.formats.compose_part_keys import ADDRESS_POOL, IPAM, NETWORK, SERVICE_NETWORK
from springtide.formats.compose_reading import items_of, pairs_of, text_of, texts_of, truth_of, whole_of
from springtide.formats.entries import Entry, did_you_mean
from springtide.model.networks import BRIDGE, HOST, NONE, OWN_NETWORKS, AddressPool, Attachment, NetworkDefinition


def read_networks(root: Entry, project: str) -> Mapping[str, NetworkDefinition]:
    """The declared networks by name. Raises the file's error for an option that isn't known."""
    section = root.get("networks")
    declared = section.mapping() if section is not None else {}
    return {name: _network(name, entry, project) for name, entry in declared.items()}


def read_attachments(service: Entry, declared: Mapping[str, NetworkDefinition]) -> tuple[Attachment, ...]:
    """How a service stands on each of its networks. Raises the file's error for one that isn't declared."""
    section = service.get("networks")
    attachments = []
    for name, entry in section.mapping().items() if section is not None else ():
        if name not in declared:
            remedy = did_you_mean(name, [DEFAULT_NETWORK, *declared])
            raise entry.error(f"There is no network {name!r} under the top-level `networks`.", remedy)
        attachments.append(_attachment(name, check_keys(entry, SERVICE_NETWORK)))
    return _with_mac_address(service.get("mac_address"), tuple(attachments))


def _with_mac_address(entry: Entry | None, attachments: tuple[Attachment, ...]) -> tuple[Attachment, ...]:
    """``mac_address`` of the service is that on its first network."""
    if entry is None:
        return attachments
    if not attachments:
        raise entry.error("Without a network of its own a service has no such address.", "Leave it out.")
    first = max(attachments, key=lambda each: each.priority)
    if first.mac_address not in ("", entry.text()):
        raise entry.error(f"On the network {first.network!r} it is {first.mac_address}.", "Leave one of the two out.")
    return tuple(replace(each, mac_address=entry.text()) if each is first else each for each in attachments)


def read_network_mode(service: Entry) -> str:
    """Instead of networks: ``none``, ``host``, ``bridge`` or a container's. Empty for the service's own networks.

    A service's (``service:NAME``) is read where pods are.
    """
    mode = service.get("network_mode")
    if mode is None:
        return OWN_NETWORKS
    if mode.text() not in (NONE, HOST, BRIDGE) and not mode.text().startswith("container:"):
        raise mode.error(
            f"The mode {mode.described} isn't supported.",
            f"Write {NONE}, {HOST}, {BRIDGE}, service:NAME, or `networks`.",
        )
    return mode.text()


def _network(name: str, entry: Entry, project: str) -> NetworkDefinition:
    fields = check_keys(entry, NETWORK)
    own, is_external = fields["name"].text(), truth_of(fields.get("external"))
    ipam, ipv4 = fields.get("ipam"), fields.get("enable_ipv4")
    ranges = check_keys(ipam, IPAM) if ipam is not None else {}
    return NetworkDefinition(
        name=name,
        driver=text_of(fields.get("driver")),
        driver_options=pairs_of(fields.get("driver_opts")),
        labels=pairs_of(fields.get("labels")),
        internal=truth_of(fields.get("internal")),
        attachable=truth_of(fields.get("attachable")),
        enable_ipv4=None if ipv4 is None else ipv4.truth(),
        enable_ipv6=truth_of(fields.get("enable_ipv6")),
        ipam_driver=text_of(ranges.get("driver")),
        ipam_options=pairs_of(ranges.get("options")),
        ipam=tuple(_pool(pool) for pool in items_of(ranges.get("config"))),
        engine_name="" if is_external or own == f"{project}_{name}" else own,
        external_name=own if is_external else "",
    )


def _pool(entry: Entry) -> AddressPool:
    fields = check_keys(entry, ADDRESS_POOL)
    return AddressPool(
        subnet=text_of(fields.get("subnet")),
        ip_range=text_of(fields.get("ip_range")),
        gateway=text_of(fields.get("gateway")),
        auxiliary_addresses=pairs_of(fields.get("aux_addresses")),
    )


def _attachment(name: str, fields: Mapping[str, Entry]) -> Attachment:
    return Attachment(
        network=name,
        aliases=texts_of(fields.get("aliases")),
        ipv4_address=text_of(fields.get("ipv4_address")),
        ipv6_address=text_of(fields.get("ipv6_address")),
        link_local_addresses=texts_of(fields.get("link_local_ips")),
        mac_address=text_of(fields.get("mac_address")),
        priority=whole_of(fields.get("priority")),
        gateway_priority=whole_of(fields.get("gw_priority")),
        interface_name=text_of(fields.get("interface_name")),
        driver_options=pairs_of(fields.get("driver_opts")),
    )
