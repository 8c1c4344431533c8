"""In what two templates or services differ, in words. Values of variables, labels and files are never told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from springtide.model.resources import Resources, describe
from springtide.model.workloads import ScalePolicy, Service, StandbyPolicy, Template

IMAGE_DIGITS = 12
NOT_WANTED = ("id", "app", "name", "team", "revision", "restarted_at")
"""What of a service isn't wanted of it by its file."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that differs; ``words`` say how, as far as that may be shown."""

    field: str
    words: str


def service_differences(before: Service, after: Service) -> list[Difference]:
    """What differs beside the template; none of it needs other instances."""
    names = [each.name for each in fields(Service) if each.name not in NOT_WANTED]
    return _differences(before, after, names)


def template_differences(before: Template, after: Template) -> list[Difference]:
    """What makes another revision of it."""
    names = [each.name for each in fields(Template) if each.name != "companions"]
    found = _differences(before, after, names)
    old = {each.name: each.template for each in before.companions}
    new = {each.name: each.template for each in after.companions}
    for name in sorted({*old, *new}):
        if name not in old or name not in new:
            found.append(Difference(f"container {name}", "new" if name in new else "gone"))
        else:
            inner = _differences(old[name], new[name], [each.name for each in fields(old[name])])
            found += [Difference(f"container {name}: {each.field}", each.words) for each in inner]
    return found


def _differences(before: Any, after: Any, names: Iterable[str]) -> list[Difference]:
    pairs = ((name, getattr(before, name), getattr(after, name)) for name in names)
    return [Difference(_WORDS.get(name, name), _told(name, old, new)) for name, old, new in pairs if old != new]


def _told(name: str, before: Any, after: Any) -> str:
    if name in _KEYS:
        return _by_key(_KEYS[name], before, after)
    if name in _SHOWN:
        return f"{_SHOWN[name](before)} → {_SHOWN[name](after)}"
    if is_dataclass(before) and is_dataclass(after) and type(before) is type(after):
        return ", ".join(
            each.name for each in fields(before) if getattr(before, each.name) != getattr(after, each.name)
        )
    return "changed"


def _by_key(key: Callable[[Any], str], before: Iterable[Any], after: Iterable[Any]) -> str:
    old, new = {key(each): each for each in before}, {key(each): each for each in after}
    verbs = {name: "added" if name not in old else "removed" if name not in new else "changed" for name in {*old, *new}}
    told = [f"{name} {verb}" for name, verb in sorted(verbs.items()) if verb != "changed" or old[name] != new[name]]
    return ", ".join(told) or "another order"


def _pair(each: tuple[str, str]) -> str:
    return each[0]


def _port(each: Any) -> str:
    return f"{each.host_port or 'any'}:{each.target_port}/{each.protocol}"


def _route(each: Any) -> str:
    return f"{each.host or each.listen_port or 'none'} to {each.target_port}"


_KEYS: Mapping[str, Callable[[Any], str]] = {
    "environment": _pair,
    "labels": _pair,
    "annotations": _pair,
    "networks": str,
    "aliases": str,
    "attachments": lambda each: str(each.network),
    "ports": _port,
    "mounts": lambda each: str(each.target),
    "files": lambda each: f"{each.kind} {each.name}",
    "routes": _route,
    "depends_on": lambda each: str(each.service),
    "images": lambda each: f"{each[0]} as {each[1]}",
}


def short_image(image: str) -> str:
    """``sha256:0123456789ab`` of a long digest, whatever stands before it."""
    name, algorithm, digest = image.rpartition("sha256:")
    return f"{name}{algorithm}{digest[:IMAGE_DIGITS]}" if algorithm else image


def _plain(value: Any) -> str:
    return "none" if value is None or value == "" else str(value)


def _bounds(scale: ScalePolicy) -> str:
    count = f"{scale.minimum}" if scale.minimum == scale.maximum else f"{scale.minimum}..{scale.maximum}"
    load = f" at {scale.requests_per_second:g} requests a second each" if scale.requests_per_second else ""
    cpu = f" at {scale.cpu_percent:g}% of cpu" if scale.cpu_percent else ""
    kept = f", {scale.available} kept available" if scale.available is not None else ""
    standby = f", {_standby(scale.standby)}" if scale.standby.count else ""
    return f"{count}{load}{cpu}{kept}{standby}"


def _standby(standby: StandbyPolicy) -> str:
    rungs = ", ".join(f"{count} {rung}" for rung, count in standby.by_rung)
    return f"{standby.count} on standby{f' ({rungs})' if rungs else ''} for at most {standby.max_age_seconds:g} s"


def _amounts(amounts: Resources) -> str:
    return describe(amounts) if amounts else "nothing"


_SHOWN: Mapping[str, Callable[[Any], str]] = {
    "image": short_image,
    "scale": _bounds,
    "resources": _amounts,
    "ladder": lambda rungs: ", ".join(rungs),
    **dict.fromkeys(
        ("user", "working_dir", "stop_signal", "stop_grace_seconds", "network_mode", "init", "tty", "band"), _plain
    ),
    "line_load_bits_per_second": _plain,
}
_WORDS = {
    "stop_grace_seconds": "stop_grace_period",
    "kernel": "kernel settings",
    "line_load_bits_per_second": "line_load",
    "attachments": "networks",
    "images": "image names",
    "files": "configs and secrets",
}
