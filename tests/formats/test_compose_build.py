"""What a Compose file says of builds, and what of it can't be done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from springtide.model.builds import BuildSecret, BuildSpec, Pull
from springtide.model.confinement import Ulimit
from springtide.model.mounts import SECRET_MAX_BYTES
from tests.formats.compose_files import load, refusal, service_text

SAID = {
    "{target: test}": {"target": "test"},
    "{args: [A=1, B=2]}": {"arguments": (("A", "1"), ("B", "2"))},
    "{labels: {b: 1, a: x}}": {"labels": (("a", "x"), ("b", "1"))},
    "{network: host}": {"network": "host"},
    "{network: default}": {},
    "{no_cache: true, pull: true}": {"no_cache": True, "pull": True},
    "{shm_size: 2m, ulimits: {nofile: {soft: 1, hard: 2}}}": {
        "shm_size_bytes": 2**21,
        "ulimits": (Ulimit("nofile", 1, 2),),
    },
    "{extra_hosts: [b=10.0.0.2, a=10.0.0.1]}": {"extra_hosts": (("a", "10.0.0.1"), ("b", "10.0.0.2"))},
    "{cache_from: [shop/web:1, 'type=registry,ref=shop/web:2']}": {"cache_from": ("shop/web:1", "shop/web:2")},
    "{platforms: [linux/arm64]}": {"platform": "linux/arm64"},
    "{dockerfile_inline: 'FROM x'}": {"dockerfile_text": "FROM x"},
    "{dockerfile: ../Dockerfile}": {"dockerfile": "../Dockerfile"},
}


@pytest.mark.parametrize(("said", "meant"), SAID.items(), ids=SAID.keys())
def test_a_build_says_what_the_file_says(tmp_path: Path, said: str, meant: dict[str, Any]) -> None:
    build = load(tmp_path, service_text(f"build: {said}")).services[0].build
    assert build == BuildSpec(tmp_path, **{"tags": ("x",), **meant})


def test_an_image_that_is_built_has_the_names_of_the_file(tmp_path: Path) -> None:
    build = load(tmp_path, service_text("build: {tags: [shop/web:1, shop/web:new]}")).services[0].build
    assert build is not None
    assert build.tags == ("x", "shop/web:1", "shop/web:new")
    nameless = load(tmp_path, "x-springtide: {team: feed}\nservices: {web: {build: .}}\n").services[0].build
    assert nameless is not None
    assert nameless.tags == ()


def test_secrets_of_a_build_are_read_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"\xffhush")
    text = (
        service_text("build: {secrets: [token, {source: key, target: other}]}")
        + "secrets: {token: {file: ./token}, key: {environment: KEY}}\n"
    )
    spec = load(tmp_path, text, environment={"KEY": "value"}).services[0]
    assert spec.build is not None
    assert spec.build.secrets == (BuildSecret.of("token", b"\xffhush"), BuildSecret.of("other", b"value"))
    assert spec.template.files == (), "they are the build's alone"
    assert spec.build.secrets[0].encoded not in repr(spec)


@pytest.mark.parametrize(
    ("body", "pull"),
    [
        ("user: a", Pull.MISSING),
        ("pull_policy: if_not_present", Pull.MISSING),
        ("pull_policy: always", Pull.ALWAYS),
        ("pull_policy: never", Pull.NEVER),
        ("build: .\npull_policy: build", Pull.MISSING),
    ],
)
def test_images_are_pulled_when_the_file_says(tmp_path: Path, body: str, pull: Pull) -> None:
    assert load(tmp_path, service_text(body)).images[0].pull is pull


@pytest.mark.parametrize(
    ("body", "words", "remedy"),
    [
        ("pull_policy: daily", "'daily' isn't supported", "missing, always, never"),
        ("pull_policy: build", "'build' isn't supported", "missing, always, never"),
        ("build: .\npull_policy: always", "built at each deployment", "Write build"),
    ],
)
def test_pulling_is_refused_where_it_means_nothing(tmp_path: Path, body: str, words: str, remedy: str) -> None:
    error = refusal(tmp_path, service_text(body))
    assert error.key == "services.web.pull_policy"
    assert words in error.sentence
    assert remedy in error.remedy


REFUSED = {
    "two Dockerfiles": ("{dockerfile: a, dockerfile_inline: b}", "dockerfile_inline", "already", "Leave one"),
    "two platforms": ("{platforms: [linux/amd64, linux/arm64]}", "platforms[1]", "one platform", "Name one"),
    "a network of the app": ("{network: front}", "network", "'front'", "host or none"),
    "a cache of another kind": ("{cache_from: ['type=local,src=x']}", "cache_from[0]", "type=local", "an image"),
    "a name with a space": ("{tags: ['a b']}", "tags[0]", "can't name an image", "shop/web:1"),
    "one of Springtide's labels": ("{labels: {springtide.app: x}}", "labels.springtide.app", "own", "another"),
    "an undeclared secret": ("{secrets: [tokn]}", "secrets[0]", "no secret 'tokn'", "top-level"),
    "the mode of a secret": ("{secrets: [{source: token, mode: 0400}]}", "secrets[0].mode", "mounted", "mode=…"),
    "a secret that is too large": ("{secrets: [large]}", "secrets[0]", "is the most", "Copy it in"),
    "a secret that isn't there": ("{secrets: [gone]}", "", "can't be read", "Check the path"),
}


@pytest.mark.parametrize(("said", "key", "words", "remedy"), REFUSED.values(), ids=REFUSED.keys())
def test_a_build_is_refused_for(tmp_path: Path, said: str, key: str, words: str, remedy: str) -> None:
    (tmp_path / "token").write_text("hush")
    (tmp_path / "large").write_bytes(b"x" * (SECRET_MAX_BYTES + 1))
    secrets = "secrets: {token: {file: ./token}, large: {file: ./large}, gone: {file: ./gone}}\n"
    error = refusal(tmp_path, service_text(f"build: {said}") + secrets)
    assert error.key == (f"services.web.build.{key}" if key else "secrets.gone.file")
    assert words in error.sentence
    assert remedy in error.remedy
