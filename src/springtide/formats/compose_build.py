"""``build``: how a service's image is made from source."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from springtide.formats.compose_confinement import read_ulimits
from springtide.formats.compose_keys import BUILD, check_keys
from springtide.formats.compose_mounts import content_of
from springtide.formats.compose_part_keys import SERVICE_FILE
from springtide.formats.compose_reading import (
    hosts_of,
    items_of,
    labels_of,
    text_of,
    truth_of,
    variables_of,
    whole_of,
)
from springtide.formats.entries import Entry, did_you_mean
from springtide.model.builds import DOCKERFILE, BuildSecret, BuildSpec, Pull
from springtide.model.networks import HOST, NONE

_NETWORKS = (HOST, NONE, "default")
_OF_THE_MOUNT = ("uid", "gid", "mode")


def read_build(root: Entry, service: Entry, variables: Mapping[str, str]) -> BuildSpec | None:
    """How to build the service's image, ``None`` where it isn't built here.

    Raises the file's error for what the engine's builders can't do, and for secrets that can't be read.
    """
    section = service.get("build")
    if section is None:
        return None
    fields = check_keys(section, BUILD)
    text, dockerfile = section.get("dockerfile_inline"), section.get("dockerfile")
    if text is not None and dockerfile is not None:
        raise text.error(f"There is a `dockerfile` (line {dockerfile.line}) already.", "Leave one of the two out.")
    return BuildSpec(
        context=_context(fields["context"]),
        dockerfile=DOCKERFILE if dockerfile is None else dockerfile.text(),
        arguments=variables_of(section.get("args")),
        dockerfile_text=text_of(text),
        target=text_of(section.get("target")),
        labels=labels_of(section.get("labels")),
        secrets=tuple(_secrets(root, section, variables)),
        network=_network(section.get("network")),
        extra_hosts=hosts_of(section.get("extra_hosts")),
        tags=tuple(_tags(service.get("image"), section.get("tags"))),
        platform=_platform(section.get("platforms")) or text_of(service.get("platform")),
        cache_from=tuple(_image_of_cache(entry) for entry in items_of(section.get("cache_from"))),
        no_cache=truth_of(section.get("no_cache")),
        pull=truth_of(section.get("pull")),
        shm_size_bytes=whole_of(section.get("shm_size")),
        ulimits=read_ulimits(section.get("ulimits")),
    )


def read_pull(service: Entry) -> Pull:
    """When the service's image is pulled. Raises the file's error where it is built, and the file wants otherwise."""
    entry, is_built = service.get("pull_policy"), service.get("build") is not None
    if entry is None or (is_built and entry.value == "build"):
        return Pull.MISSING
    if is_built:
        sentence = f"An image with a `build` is built at each deployment, whatever is {entry.described}."
        raise entry.error(sentence, "Write build, or leave it out.")
    if entry.text() not in tuple(Pull):
        raise entry.error(f"{entry.described} isn't supported for an image.", f"Write {', '.join(Pull)}.")
    return Pull(entry.text())


def _context(entry: Entry) -> Path:
    if not Path(entry.text()).is_absolute():
        raise entry.error(f"The context {entry.described} isn't a local directory.", "Check it out first.")
    return Path(os.path.normpath(entry.text()))


def _network(entry: Entry | None) -> str:
    if entry is None or entry.value == "default":
        return ""
    if entry.text() not in _NETWORKS:
        raise entry.error(
            f"Builds can't stand on the network {entry.described}.",
            f"Write {' or '.join(_NETWORKS[:-1])}, or leave it out.",
        )
    return entry.text()


def _tags(image: Entry | None, section: Entry | None) -> Iterator[str]:
    """The names of the image: what ``image`` calls it, and those of ``tags``."""
    for entry in (*((image,) if image is not None else ()), *items_of(section)):
        if not entry.text() or any(character.isspace() for character in entry.text()):
            raise entry.error(f"{entry.described} can't name an image.", "Write a name such as shop/web:1.")
        yield entry.text()


def _platform(section: Entry | None) -> str:
    platforms = items_of(section)
    if len(platforms) > 1:
        raise platforms[1].error("One image of the engine has one platform.", "Name one, or leave it out.")
    return platforms[0].text() if platforms else ""


def _image_of_cache(entry: Entry) -> str:
    """The image whose steps may be taken over; caches of other kinds the engine's API doesn't take."""
    if "=" not in entry.text():
        return entry.text()
    options = dict(each.partition("=")[::2] for each in entry.text().split(","))
    if options.get("type") != "registry" or not options.get("ref"):
        raise entry.error(f"A cache from {entry.described} isn't supported.", "Name an image that holds its cache.")
    return options["ref"]


def _secrets(root: Entry, build: Entry, variables: Mapping[str, str]) -> Iterator[BuildSecret]:
    declared = root.get("secrets")
    known = declared.mapping() if declared is not None else {}
    for entry in items_of(build.get("secrets")):
        fields = check_keys(entry, SERVICE_FILE)
        source, id = fields["source"], fields.get("target", fields["source"])
        if source.text() not in known:
            remedy = did_you_mean(source.text(), known) or "Add it under the top-level `secrets`."
            raise source.error(f"There is no secret {source.described} under the top-level `secrets`.", remedy)
        for key in _OF_THE_MOUNT:
            if key in fields:
                remedy = f"Write it in the Dockerfile: RUN --mount=type=secret,id={id.text()},{key}=…"
                raise fields[key].error(f"The {key} of a build's secret is said where it is mounted.", remedy)
        try:
            yield BuildSecret.of(id.text(), content_of(known[source.text()], "secrets", variables))
        except ValueError as failure:
            raise entry.error(f"{failure}.", "Copy it in as a file of the context, where it is no secret.") from None
