"""What of a template opens more than an ordinary container has: allowed where the file says it, and always shown."""

from __future__ import annotations

from springtide.model.confinement import EVERY_CAPABILITY
from springtide.model.mounts import ENGINE_SOCKET, MountType
from springtide.model.networks import HOST
from springtide.model.workloads import ContainerTemplate, Template


def weakenings(template: Template) -> tuple[str, ...]:
    """In the words of the Compose file, sorted; what companions open is open to the whole pod."""
    return tuple(sorted(set[str]().union(*map(_of_container, template.containers))))


def _of_container(template: ContainerTemplate) -> set[str]:
    network = {f"network_mode: {HOST}"} if template.network_mode == HOST else set()
    return network | _of_isolation(template) | _of_mounts(template)


def _of_isolation(template: ContainerTemplate) -> set[str]:
    isolation = template.isolation
    found = {"privileged"} if isolation.privileged else set()
    if EVERY_CAPABILITY in isolation.cap_add:
        found.add(f"cap_add: {EVERY_CAPABILITY}")
    spaces = {"pid": isolation.pid, "ipc": isolation.ipc, "uts": isolation.uts, "userns_mode": isolation.userns}
    found |= {f"{name}: {HOST}" for name, value in spaces.items() if value == HOST}
    found |= {f"security_opt: {each}" for each in isolation.security_opt if _opens(each)}
    return found | {f"device: {each.source}" for each in isolation.devices}


def _opens(security_option: str) -> bool:
    return security_option.endswith((":unconfined", "=unconfined", ":false", "=false", ":disable", "=disable"))


def _of_mounts(template: ContainerTemplate) -> set[str]:
    binds = (each.source for each in template.mounts if each.type is MountType.BIND)
    return {f"bind: {source}" for source in binds if source == "/" or source.endswith(f"/{ENGINE_SOCKET}")}
