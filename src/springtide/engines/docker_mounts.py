"""Mounts of a container as the Docker Engine wants them; pure, no call is made here.

::

    Mounts   volumes, and binds whose source must be there
    Binds    binds whose source the engine may make: the other form can't say so before API 1.42
    Tmpfs    memory: the other form has no owner and can't hold programs
"""

from __future__ import annotations

import posixpath
from typing import Any

from springtide.engines.base import InstanceSpec
from springtide.engines.docker_instances import ContainerNames
from springtide.engines.docker_networks import volume_body, volume_labels
from springtide.model.errors import EngineError
from springtide.model.mounts import FileMount, Mount, MountType, VolumeDefinition, volume_named
from springtide.model.workloads import ContainerTemplate


def mount_bodies(names: ContainerNames, spec: InstanceSpec, template: ContainerTemplate) -> list[dict[str, Any]]:
    """Volumes, binds with a source that must be there, and folders that are made for files."""
    own = [_mount_body(names, spec, mount) for mount in template.mounts if not _is_short(mount)]
    made = [{"Type": "volume", "Target": folder} for folder in folders_for_files(template)]
    return [*own, *made]


def bind_bodies(template: ContainerTemplate) -> list[str]:
    return [
        f"{mount.source}:{mount.target}:{_bind_options(mount)}"
        for mount in template.mounts
        if mount.type is MountType.BIND and _is_short(mount)
    ]


def tmpfs_bodies(template: ContainerTemplate) -> dict[str, str]:
    return {mount.target: _tmpfs_options(mount) for mount in template.mounts if mount.type is MountType.TMPFS}


def folders_for_files(template: ContainerTemplate) -> tuple[str, ...]:
    """Folders that need a volume of their own so that files can be put into them before the start.

    That is so where the root can't be written to, and where a mount of the service would hide what was
    put there: memory is mounted at the start only. Such volumes have no name and go with the container.
    """
    return tuple(sorted({posixpath.dirname(each.target) for each in template.files if _needs_folder(template, each)}))


def _needs_folder(template: ContainerTemplate, file: FileMount) -> bool:
    folder = posixpath.dirname(file.target)
    above = [mount for mount in template.mounts if _is_within(folder, mount.target)]
    if not above:
        return _needs_folder_on_root(template, file, folder)
    deepest = max(above, key=lambda mount: len(mount.target))
    if deepest.target == folder and not _may_be_put_in(deepest, file):
        raise _covered(file, f"{deepest.target} is a {deepest.type} mount")
    return deepest.target != folder


def _needs_folder_on_root(template: ContainerTemplate, file: FileMount, folder: str) -> bool:
    if template.isolation.read_only and folder == "/":
        raise _covered(file, "the root folder can't be written to")
    return template.isolation.read_only


def _may_be_put_in(mount: Mount, file: FileMount) -> bool:
    """Configs may lie in a volume that outlives the instance, secrets not; nothing is put into a machine's folder."""
    return mount.type is MountType.VOLUME and not mount.read_only and not (mount.source and file.is_secret)


def _covered(file: FileMount, why: str) -> EngineError:
    return EngineError(
        f"The {file.kind} {file.name} can't stand at {file.target}: {why}.",
        remedy="Give it a target in another folder.",
    )


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _is_short(mount: Mount) -> bool:
    """Whether it isn't told under ``Mounts``."""
    if mount.type is MountType.TMPFS:
        return True
    return mount.type is MountType.BIND and (mount.creates_source or bool(mount.selinux)) and ":" not in mount.source


def _mount_body(names: ContainerNames, spec: InstanceSpec, mount: Mount) -> dict[str, Any]:
    body: dict[str, Any] = {"Type": str(mount.type), "Target": mount.target, "ReadOnly": mount.read_only}
    if mount.type is MountType.BIND:
        bound = {"Propagation": mount.propagation, "NonRecursive": not mount.is_recursive}
        return body | {
            "Source": mount.source,
            "BindOptions": {key: value for key, value in bound.items() if value},
        }
    options: dict[str, Any] = {"NoCopy": mount.is_initially_empty, "Subpath": mount.subpath}
    if mount.source:
        definition = volume_named(mount.source, spec.volumes)
        body["Source"] = names.volume_of(spec.app, definition)
        if not definition.is_external:
            options |= _making(names, spec, definition)
    return body | {"VolumeOptions": {key: value for key, value in options.items() if value}}


def _making(names: ContainerNames, spec: InstanceSpec, volume: VolumeDefinition) -> dict[str, Any]:
    """How the engine is to make a volume that somebody has removed meanwhile: as ours, not as anybody's."""
    body = volume_body("", volume, volume_labels(names, spec.app, volume))
    return {"Labels": body["Labels"], "DriverConfig": {"Name": body["Driver"], "Options": body["DriverOpts"]}}


def _bind_options(mount: Mount) -> str:
    words = ["ro" if mount.read_only else "rw", mount.propagation, mount.selinux]
    return ",".join(word for word in words if word)


def _tmpfs_options(mount: Mount) -> str:
    words = [
        "ro" if mount.read_only else "",
        f"size={mount.size_bytes}" if mount.size_bytes else "",
        "" if mount.mode is None else f"mode={mount.mode:o}",
        *mount.options,
    ]
    return ",".join(word for word in words if word)
