"""What a service takes over from others of its file: names by links, volumes; and where its platform lets it stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from springtide.model.mounts import Mount, MountType
from springtide.model.workloads import Constraint, Dependency
from tests.formats.compose_files import labelled_fleet, load, refusal, service_text

HEAD = "x-springtide: {team: feed}\nservices:\n"


def test_a_link_is_a_further_name_and_a_need(tmp_path: Path) -> None:
    text = f"""{HEAD}  web: {{image: x, links: [db, 'db:store', 'side:near']}}
  db: {{image: x}}
  side: {{image: x, network_mode: 'service:db'}}
"""
    web, db = load(tmp_path, text).services
    assert db.template.aliases == ("db", "near", "store")
    assert web.template.aliases == ("web",)
    assert web.service.depends_on == (Dependency(db.service.id),)


NETWORKS = "networks: {front: , back: }\n"
LINKS = {
    "no network in common": (
        f"  a: {{image: x, networks: [front], links: [b]}}\n  b: {{image: x, networks: [back]}}\n{NETWORKS}",
        "services.a.links[0]",
        "'a' and 'b' share no network",
        "into one",
    ),
    "the name of another": (
        "  a: {image: x, links: ['b:c']}\n  b: {image: x}\n  c: {image: x}\n",
        "services.a.links[0]",
        "'c' is that of 'c'",
        "another name",
    ),
    "one name for two": (
        "  a: {image: x, links: ['b:n', 'c:n']}\n  b: {image: x}\n  c: {image: x}\n",
        "services.a.links[1]",
        "'n' is that of 'b'",
        "another name",
    ),
    "nobody": ("  a: {image: x, links: [b]}\n", "services.a.links[0]", "no service 'b'", ""),
    "one container name for two": (
        "  a: {image: x, container_name: n1}\n  b: {image: x, container_name: n1}\n",
        "services.b.container_name",
        "line 3 has the name 'n1'",
        "another name",
    ),
    "a container of another file": (
        "  a: {image: x, volumes_from: ['container:other']}\n",
        "services.a.volumes_from[0]",
        "outside the file",
        "`external`",
    ),
    "volumes without names": (
        "  a: {image: x, volumes_from: [b]}\n  b: {image: x, volumes: [/data]}\n",
        "services.a.volumes_from[0]",
        "without a name at /data",
        "Give that volume a name",
    ),
    "another way to mount": (
        "  a: {image: x, volumes_from: ['b:z']}\n  b: {image: x}\n",
        "services.a.volumes_from[0]",
        "'z' is no way",
        "ro or rw",
    ),
    "volumes in a circle": (
        "  a: {image: x, volumes_from: [b]}\n  b: {image: x, volumes_from: [a]}\n",
        "services.a.volumes_from[0]",
        "circle",
        "Take one",
    ),
}


@pytest.mark.parametrize(("body", "key", "words", "remedy"), LINKS.values(), ids=LINKS.keys())
def test_a_file_is_refused_for(tmp_path: Path, body: str, key: str, words: str, remedy: str) -> None:
    error = refusal(tmp_path, HEAD + body)
    assert error.key == key
    assert words in error.sentence
    assert remedy in error.remedy


def test_volumes_of_others_are_mounted_where_they_stand_there(tmp_path: Path) -> None:
    text = f"""{HEAD}  a: {{image: x, volumes_from: ['b:ro', c], volumes: ['own:/kept']}}
  b: {{image: x, volumes: ['data:/data', 'other:/kept'], tmpfs: /tmp, volumes_from: [c]}}
  c: {{image: x, volumes: ['/srv:/srv']}}
volumes: {{data: , other: , own: }}
"""
    mounts = load(tmp_path, text).services[0].template.mounts
    assert mounts == (
        Mount(MountType.VOLUME, "/data", "data", read_only=True),
        Mount(MountType.VOLUME, "/kept", "own"),
        Mount(MountType.BIND, "/srv", "/srv", read_only=True, creates_source=True),
    )


@pytest.mark.parametrize(
    ("platform", "constraints"),
    [
        ("linux/amd64", (Constraint("os", "linux"), Constraint("arch", "amd64"))),
        ("linux/aarch64", (Constraint("os", "linux"), Constraint("arch", "arm64"))),
        ("linux/arm64/v8", (Constraint("os", "linux"), Constraint("arch", "arm64"))),
        ("linux", (Constraint("os", "linux"),)),
        ("arm64", (Constraint("arch", "arm64"),)),
    ],
)
def test_a_platform_says_where_instances_stand(
    tmp_path: Path, platform: str, constraints: tuple[Constraint, ...]
) -> None:
    spec = load(tmp_path, service_text(f"platform: {platform}\nbuild: ."), fleet=labelled_fleet()).services[0]
    assert spec.service.placement.constraints == constraints
    assert spec.build is not None
    assert spec.build.platform == platform


@pytest.mark.parametrize(
    ("platform", "words"), [("linux/riscv64", "'riscv64'"), ("linux/arm/v7", "no platform"), ("a b", "no platform")]
)
def test_a_platform_that_no_node_has_is_refused(tmp_path: Path, platform: str, words: str) -> None:
    error = refusal(tmp_path, service_text(f"platform: {platform}"), fleet=labelled_fleet())
    assert error.key == "services.web.platform"
    assert words in error.sentence


def test_what_is_for_development_is_left_to_it_with_a_word(tmp_path: Path) -> None:
    text = service_text("develop: {watch: [{path: ., action: rebuild}]}")
    assert load(tmp_path, text).notices == (
        "web: `develop` is for `docker compose watch`; a deployment doesn't watch.",
    )
