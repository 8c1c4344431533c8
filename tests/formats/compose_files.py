"""Small Compose files on disk and a fleet to judge them against."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from springtide.formats.compose import AppSpec, ServiceSpec, load_app
from springtide.formats.fleet import parse_fleet
from springtide.model.errors import ComposeFileError
from springtide.model.fleet import Fleet

FLEET_TEXT = """\
sites: {home: , cloudtown: {cloud: true}}
teams: {feed: , redpacket: }
pools:
  feed: {team: feed, slices: {count: 2, cpus: 0.2, memory: 256M}, contribution: 25%}
  redpacket: {team: redpacket, slices: {count: 2, cpus: 0.4, memory: 256M}, contribution: 50%}
  burst: {cloud: rented, max_nodes: 6}
clouds:
  rented: {kind: slices, offers: {small: {cpus: 0.1, memory: 512M, price: 0.36/h}}}
"""

LABELLED_FLEET_TEXT = """\
sites: {home: , hall: , cloudtown: {cloud: true}}
teams: {feed: , redpacket: }
pools:
  feed:
    site: home
    team: feed
    slices:
      - {cpus: 2, memory: 2G, zone: a, os: linux, arch: amd64, labels: {rack: r1}}
      - {cpus: 2, memory: 2G, zone: b, os: linux, arch: arm64, isolation: vm}
  vision:
    site: hall
    team: redpacket
    slices: {cpus: 4, memory: 4G, zone: c, os: linux, resources: {gpu: 1}}
    contribution: {cpus: 50%, resources: {gpu: 100%}}
  burst: {cloud: rented, max_nodes: 6}
clouds:
  rented: {kind: slices, offers: {small: {cpus: 8, memory: 1G, price: 0.36/h, zone: d, os: linux, arch: arm64}}}
"""


def two_team_fleet() -> Fleet:
    return parse_fleet(FLEET_TEXT, "springtide.yaml")


def labelled_fleet() -> Fleet:
    """Four zones, two architectures, gpus in one hall."""
    return parse_fleet(LABELLED_FLEET_TEXT, "springtide.yaml")


def load(
    directory: Path,
    text: str,
    *,
    environment: Mapping[str, str] | None = None,
    project: str | None = "app",
    fleet: Fleet | None = None,
) -> AppSpec:
    """The app that this text describes in ``compose.yaml`` of the directory."""
    path = directory / "compose.yaml"
    path.write_text(text)
    return load_app([path], environment=environment or {}, project=project, fleet=fleet or two_team_fleet())


def web(directory: Path, body: str, *, environment: Mapping[str, str] | None = None) -> ServiceSpec:
    """The one service of a file whose service's lines are ``body``; its team is ``feed``."""
    return load(directory, service_text(body), environment=environment).services[0]


def service_text(body: str) -> str:
    """A file with one service ``web``: ``body`` starts on line 5."""
    lines = body.strip("\n").split("\n")
    return "x-springtide: {team: feed}\nservices:\n  web:\n    image: x\n" + "".join(f"    {line}\n" for line in lines)


def refusal(directory: Path, text: str, *, project: str | None = "app", fleet: Fleet | None = None) -> ComposeFileError:
    """The error that a file is refused with; it names the file."""
    with pytest.raises(ComposeFileError) as caught:
        load(directory, text, project=project, fleet=fleet)
    assert caught.value.file == str(directory / "compose.yaml")
    return caught.value
