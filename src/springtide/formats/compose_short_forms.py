"""Short forms of Compose files into the mappings that they stand for: ports, mounts, devices, hosts and the like.

The entries made here stand where the short form stands, so that a complaint about them names its line.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address

from springtide.formats.entries import Entry

_PORT = re.compile(r"[0-9]{1,5}")
_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
_PROTOCOLS = ("tcp", "udp", "sctp")
_PROPAGATIONS = ("rprivate", "private", "rshared", "shared", "rslave", "slave")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


def port_number(entry: Entry) -> int:
    """A port from 1 to 65535, as a number or text."""
    text = entry.text_or_number()
    if not _PORT.fullmatch(text) or not 1 <= int(text) <= 65535:
        raise not_a_port(entry, text)
    return int(text)


def not_a_port(entry: Entry, text: str) -> Exception:
    """The error for a text that should have been a port."""
    return entry.error(f"{text!r} isn't a port.", "Write a number from 1 to 65535, or 'PUBLISHED:CONTAINER'.")


def several_ports(entry: Entry) -> Sequence[Entry]:
    """The long forms of one item of ``ports``; a range stands for several."""
    if entry.is_mapping:
        return (entry,)
    text = entry.text_or_number()
    body, _, protocol = text.partition("/")
    protocol = protocol.lower() or "tcp"
    if protocol not in _PROTOCOLS:
        raise entry.error(f"The protocol {protocol!r} isn't known.", f"Known here: {', '.join(_PROTOCOLS)}.")
    host, published, target = _parts(entry, body)
    first, last = _range(entry, target)
    from_port, to_port = _range(entry, published) if published else (0, 0)
    if published and to_port - from_port != last - first and first != last:
        sentence = f"The ranges of {text!r} aren't equally long."
        raise entry.error(sentence, "Let both have as many ports.")
    made = []
    for offset in range(last - first + 1):
        fields: dict[str, str | int] = {"mode": "ingress", "target": first + offset, "protocol": protocol}
        if host:
            fields["host_ip"] = host
        if published:
            is_choice = first == last and from_port != to_port
            fields["published"] = published if is_choice else str(from_port + offset)
        made.append(_mapping(entry, fields))
    return sorted(made, key=lambda port: str(port.mapping()["target"].value))


def _parts(entry: Entry, body: str) -> tuple[str, str, str]:
    """Address, published port and container's port of ``[[ADDRESS:]PUBLISHED:]PORT``."""
    host, _, target = body.rpartition(":")
    address, colon, published = host.rpartition(":")
    if not colon:
        return "", host, target
    address = address[1:-1] if address.startswith("[") and address.endswith("]") else address
    if address:
        try:
            ip_address(address)
        except ValueError:
            raise entry.error(
                f"{address!r} isn't an address.", "Write one such as 127.0.0.1, or leave it out."
            ) from None
    return address, published, target


def _range(entry: Entry, text: str) -> tuple[int, int]:
    found = _RANGE.fullmatch(text)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 0 < first <= last <= 65535:
        raise not_a_port(entry, text)
    return first, last


def port_identity(port: Entry) -> tuple[object, ...]:
    """What makes two ports the same line."""
    fields = port.mapping()
    target = fields.get("target")
    if target is None:
        raise port.error("This port doesn't say which port of the container it means.", "Add `target:`.")
    host, published, protocol = (_plain(port, name) for name in ("host_ip", "published", "protocol"))
    return host or "0.0.0.0", published, target.value, protocol or "tcp"


def mount(entry: Entry) -> Mapping[str, Entry]:
    """``[SOURCE:]TARGET[:OPTIONS]`` of ``volumes``. A source that looks like a path is a folder of the machine."""
    text = entry.text()
    parts = _colon_parts(text)
    if not text or not all(parts) or len(parts) > 3:
        raise entry.error(f"{entry.described} isn't a mount.", "Write SOURCE:TARGET, or SOURCE:TARGET:ro.")
    source, target = ("", parts[0]) if len(parts) == 1 else (parts[0], parts[1])
    if len(text) <= 2:
        return _mapping(entry, {"type": "volume", "target": text}).mapping()
    is_folder = source.startswith((".", "/", "~", "\\\\")) or bool(re.match(r"[A-Za-z]:", source))
    fields: dict[str, Entry] = {"type": entry.with_value("bind" if is_folder else "volume")}
    if source:
        fields["source"] = entry.with_value(source)
    fields["target"] = entry.with_value(target)
    options = parts[2].split(",") if len(parts) == 3 else []
    return fields | _mount_options(entry, options, is_folder=is_folder)


def _colon_parts(text: str) -> list[str]:
    """The parts between colons; the colon of a drive (``C:\\``) parts nothing."""
    parts = re.split(r":", text)
    joined: list[str] = []
    for part in parts:
        if joined and len(joined[-1]) == 1 and joined[-1].isalpha():
            joined[-1] += f":{part}"
        else:
            joined.append(part)
    return joined


def _mount_options(entry: Entry, options: Sequence[str], *, is_folder: bool) -> dict[str, Entry]:
    bind: dict[str, str | bool] = {"create_host_path": True} if is_folder else {}
    volume: dict[str, bool] = {}
    fields: dict[str, Entry] = {}
    for option in options:
        if option in ("ro", "rw"):
            fields["read_only"] = entry.with_value(option == "ro")
        elif option == "nocopy":
            volume["nocopy"] = True
        elif option in _PROPAGATIONS:
            bind["propagation"] = option
        elif option in ("z", "Z"):
            bind["selinux"] = option
    if bind:
        fields["bind"] = _mapping(entry, bind)
    if volume or not is_folder:
        fields["volume"] = _mapping(entry, volume)
    return fields


def mount_target(mounted: Entry) -> str:
    """Where a mount stands: of two at the same place the later one counts."""
    target = mounted.get("target")
    if target is None:
        raise mounted.error("This mount doesn't say where it stands.", "Add `target:`.")
    return clean_path(target.text())


def clean_path(path: str) -> str:
    """The path without ``.``, ``..`` and doubled slashes, as Go's path.Clean makes it."""
    return re.sub(r"^//", "/", posixpath.normpath(path)) if path else ""


def device(entry: Entry) -> Mapping[str, Entry]:
    """``SOURCE[:TARGET[:PERMISSIONS]]`` of ``devices``."""
    parts = entry.text().split(":")
    if len(parts) > 3:
        raise entry.error(f"{entry.described} isn't a device.", "Write SOURCE:TARGET:PERMISSIONS.")
    source, target, permissions = (*parts, *("", "", "")[len(parts) :])
    fields = {"source": source, "target": target or source, "permissions": permissions if len(parts) == 3 else "rwm"}
    return _mapping(entry, fields).mapping()


def device_target(entry: Entry) -> str:
    """Where a device stands in the container."""
    target = entry.get("target")
    if target is None:
        raise entry.error("This device doesn't say where it stands.", "Add `target:`.")
    return target.text()


def named(key: str) -> Callable[[Entry], Mapping[str, Entry]]:
    """A short form that is a text: the value of this key."""

    def long(entry: Entry) -> Mapping[str, Entry]:
        return {key: entry.with_value(entry.text())}

    return long


def file_mounted_at(folder: str) -> Callable[[Entry], str]:
    """What tells the configs or secrets of a service apart: where they are mounted."""

    def identity(entry: Entry) -> str:
        target, source = entry.get("target"), entry.get("source")
        return target.text() if target is not None else f"{folder}/{source.text() if source is not None else ''}"

    return identity


def hosts(entry: Entry) -> Mapping[str, Entry]:
    """``HOST=ADDRESS`` or ``HOST:ADDRESS`` texts of ``extra_hosts``; several addresses with commas, or line by line."""
    found: dict[str, list[Entry]] = {}
    for item in entry.sequence():
        separator = "=" if "=" in item.text() else ":"
        name, colon, addresses = item.text().partition(separator)
        if not colon or not name:
            raise item.error(f"{item.described} names no host and address.", "Write HOST=ADDRESS.")
        found.setdefault(name, []).extend(item.with_value(each) for each in addresses.split(","))
    return {name: entry.with_value(addresses) for name, addresses in found.items()}


def bare_address(entry: Entry) -> str:
    """An address without the brackets around one of IPv6."""
    text = entry.text_or_number()
    return text[1:-1] if len(text) > 2 and text[0] == "[" and text[-1] == "]" else text


def ulimit(entry: Entry) -> Mapping[str, Entry]:
    """One number for both limits."""
    return {"single": entry.with_value(entry.whole_number())}


def every_gpu(entry: Entry) -> Sequence[Entry]:
    """``all`` of ``gpus``: one request for all of them."""
    if entry.is_mapping:
        return (entry,)
    if entry.value != "all":
        raise entry.error(f"{entry.described} isn't a request for gpus.", "Write `all`, or a list.")
    return (_mapping(entry, {"count": -1}),)


def _mapping(entry: Entry, fields: Mapping[str, str | int | bool]) -> Entry:
    return entry.with_value({name: entry.with_value(value) for name, value in fields.items()})


def _plain(entry: Entry, name: str) -> object:
    found = entry.get(name)
    return None if found is None else found.value
