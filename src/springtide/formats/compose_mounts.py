"""What an instance finds in its file system: volumes, folders, memory, and the single files of configs and secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from springtide.formats.compose_keys import check_keys
from springtide.formats.compose_part_keys import (
    BIND,
    CONFIG,
    MOUNT,
    SECRET,
    SERVICE_FILE,
    TMPFS,
    VOLUME,
    VOLUME_MOUNT,
)
from springtide.formats.compose_reading import items_of, pairs_of, text_of, truth_of, whole_of
from springtide.formats.compose_short_forms import clean_path
from springtide.formats.entries import Entry
from springtide.formats.quantities import parse_bytes
from springtide.model.mounts import FileMount, Mount, MountType, VolumeDefinition

_FOLDERS = {"configs": "/", "secrets": "/run/secrets"}
_ACCESS = ("ro", "rw")


def read_mounts(service: Entry, services: Mapping[str, Entry]) -> tuple[Mount, ...]:
    """The ``volumes`` and ``tmpfs`` of a service, and what ``volumes_from`` adds, sorted by where they stand.

    Raises the file's error for what no engine of Springtide's can mount.
    """
    mounts = [_mount(entry) for entry in items_of(service.get("volumes"))]
    mounts += [_memory(entry) for entry in items_of(service.get("tmpfs"))]
    places = {mount.target: mount for mount in mounts}
    for entry in items_of(service.get("volumes_from")):
        for mount in _mounts_from(entry, services):
            places.setdefault(mount.target, mount)  # what the service says itself counts
    return tuple(sorted(places.values(), key=lambda mount: mount.target))


def _mounts_from(entry: Entry, services: Mapping[str, Entry]) -> Iterator[Mount]:
    """Volumes and folders of another service; memory is each container's own."""
    other, _, mode = entry.text().partition(":")
    if other == "container":
        raise entry.error("Volumes of a container outside the file aren't known.", "Declare the volume as `external`.")
    if mode not in ("", *_ACCESS):
        raise entry.error(f"{mode!r} is no way to mount.", f"Write {' or '.join(_ACCESS)}, or leave it out.")
    for mount in read_mounts(services[other], services):
        if mount.type is MountType.VOLUME and not mount.source:
            sentence = f"{other!r} has a volume without a name at {mount.target}: each instance has its own."
            raise entry.error(sentence, "Give that volume a name, declared under the top-level `volumes`.")
        if mount.type is not MountType.TMPFS:
            yield replace(mount, read_only=mount.read_only or mode == "ro")


def read_volumes(root: Entry, project: str) -> tuple[VolumeDefinition, ...]:
    """The named volumes of an app."""
    section = root.get("volumes")
    declared = section.mapping() if section is not None else {}
    return tuple(_volume(name, entry, project) for name, entry in sorted(declared.items()))


def read_files(root: Entry, service: Entry, variables: Mapping[str, str]) -> tuple[FileMount, ...]:
    """The configs and secrets of a service with what they hold now, sorted by where they stand.

    Raises the file's error for one that can't be read, or is too large.
    """
    files = [*_files(root, service, "configs", variables), *_files(root, service, "secrets", variables)]
    return tuple(sorted(files, key=lambda file: file.target))


def _mount(entry: Entry) -> Mount:
    fields = check_keys(entry, MOUNT)
    kind = fields["type"]
    if kind.value not in ("volume", "bind", "tmpfs"):
        raise kind.error(f"Mounts of the type {kind.described} aren't supported.", "Write volume, bind or tmpfs.")
    mount = Mount(
        type=MountType(kind.text()),
        target=_absolute(fields["target"]),
        source=text_of(entry.get("source")),
        read_only=truth_of(entry.get("read_only")),
    )
    if mount.type is MountType.BIND and not mount.source:
        raise entry.error("This mount doesn't say which folder it is.", "Add `source:`.")
    if (bind := entry.get("bind")) is not None:
        mount = _with_bind(mount, bind)
    if (volume := entry.get("volume")) is not None:
        options = check_keys(volume, VOLUME_MOUNT)
        mount = replace(
            mount, is_initially_empty=truth_of(options.get("nocopy")), subpath=text_of(options.get("subpath"))
        )
    if (memory := entry.get("tmpfs")) is not None:
        options = check_keys(memory, TMPFS)
        mode = options.get("mode")
        mount = replace(
            mount,
            size_bytes=whole_of(options.get("size")),
            mode=None if mode is None else mode.whole_number(),
        )
    return mount


def _with_bind(mount: Mount, bind: Entry) -> Mount:
    options = check_keys(bind, BIND)
    recursive = options.get("recursive")
    if recursive is not None and recursive.value not in ("enabled", "disabled"):
        raise recursive.error(f"{recursive.described} isn't supported.", "Write enabled or disabled.")
    return replace(
        mount,
        propagation=text_of(options.get("propagation")),
        selinux=text_of(options.get("selinux")),
        is_recursive=recursive is None or recursive.value == "enabled",
        creates_source=truth_of(options.get("create_host_path")),
    )


def _memory(entry: Entry) -> Mount:
    """``TARGET[:OPTIONS]`` of ``tmpfs``, with the options of Linux."""
    target, _, written = entry.text().partition(":")
    mount = Mount(type=MountType.TMPFS, target=_absolute(entry.with_value(target)))
    further = []
    for option in filter(None, written.split(",")):
        key, _, value = option.partition("=")
        if key == "size":
            mount = replace(mount, size_bytes=entry.with_value(value).parsed(parse_bytes))
        elif key == "mode" and value.isdecimal() and set(value) <= set("01234567"):
            mount = replace(mount, mode=int(value, 8))
        elif option in _ACCESS:
            mount = replace(mount, read_only=option == "ro")
        else:
            further.append(option)
    return replace(mount, options=tuple(further))


def _absolute(target: Entry) -> str:
    path = clean_path(target.text())
    if path[1:2] == ":":
        sentence = f"{target.described} reads as a drive of Windows, as it does to Docker Compose."
        raise target.error(sentence, "Give the volume a name of at least two letters.")
    if not path.startswith("/"):
        raise target.error(f"{target.described} isn't an absolute path.", f"Write '/{target.text()}'.")
    return path


def _volume(name: str, entry: Entry, project: str) -> VolumeDefinition:
    fields = check_keys(entry, VOLUME)
    own, is_external = fields["name"].text(), truth_of(fields.get("external"))
    return VolumeDefinition(
        name=name,
        driver=text_of(fields.get("driver")),
        driver_options=pairs_of(fields.get("driver_opts")),
        labels=pairs_of(fields.get("labels")),
        engine_name="" if is_external or own == f"{project}_{name}" else own,
        external_name=own if is_external else "",
    )


def _files(root: Entry, service: Entry, kind: str, variables: Mapping[str, str]) -> Iterator[FileMount]:
    declared = root.get(kind)
    for entry in items_of(service.get(kind)):
        fields = check_keys(entry, SERVICE_FILE)
        source = fields.get("source", entry)
        definition = declared.mapping()[source.text()] if declared is not None else entry
        content = content_of(definition, kind, variables)
        target = fields.get("target")
        path = target.text() if target is not None else source.text()
        try:
            mount = FileMount.of(
                source.text(),
                path if path.startswith("/") else f"{_FOLDERS[kind].rstrip('/')}/{path}",
                content,
                is_secret=kind == "secrets",
            )
        except ValueError as failure:
            raise entry.error(f"{failure}.", "Put it into a volume, or into the image.") from None
        mode = fields.get("mode")
        yield replace(
            mount,
            uid=whole_of(fields.get("uid")),
            gid=whole_of(fields.get("gid")),
            mode=mount.mode if mode is None else mode.whole_number(),
        )


def content_of(definition: Entry, kind: str, variables: Mapping[str, str]) -> bytes:
    """What a config or secret holds now. Raises the file's error where it can't be read."""
    fields = check_keys(definition, SECRET if kind == "secrets" else CONFIG)
    if "content" in fields:
        return fields["content"].text().encode()
    if "environment" in fields:
        name = fields["environment"]
        if name.text() not in variables:
            raise name.error(f"The variable {name.text()} isn't set.", "Set it, or use `file:`.")
        return variables[name.text()].encode()
    file = fields["file"]
    try:
        return Path(file.text()).read_bytes()
    except (OSError, ValueError) as failure:
        reason = getattr(failure, "strerror", None) or str(failure)
        raise file.error(f"The file {file.text()} can't be read: {reason}.", "Check the path of `file:`.") from None
