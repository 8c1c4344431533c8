"""What templates keep to themselves, what they open, and that new fields change no revision."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from springtide.formats.app_specs import revision_id
from springtide.model.confinement import Isolation
from springtide.model.hardening import weakenings
from springtide.model.identifiers import AppName, RevisionId, ServiceId, TeamName
from springtide.model.mounts import (
    CONFIG_MAX_BYTES,
    SECRET_MAX_BYTES,
    FileMount,
    Mount,
    MountType,
    VolumeDefinition,
    volume_named,
)
from springtide.model.networks import AddressPool, Attachment, NetworkDefinition, network_named
from springtide.model.record import Kind
from springtide.model.workloads import App, Companion, ContainerTemplate, Revision, Template
from springtide.store.codec import decode, encode

WEB = ServiceId("tide/web")
NOT_TEXT = b"\x00\xff\xfe hush"


def a_secret(content: bytes = NOT_TEXT) -> FileMount:
    return FileMount.of("key", "/run/secrets/key", content, is_secret=True)


def test_what_a_file_holds_is_in_no_repr() -> None:
    template = Template("sha256:1", files=(a_secret(b"hush"),))
    assert "hush" not in repr(template)
    assert template.files[0].encoded not in repr(template)
    assert "/run/secrets/key" in repr(template)


@pytest.mark.parametrize(("is_secret", "most"), [(True, SECRET_MAX_BYTES), (False, CONFIG_MAX_BYTES)])
def test_files_have_a_largest_size(is_secret: bool, most: int) -> None:
    assert FileMount.of("x", "/x", b"." * most, is_secret=is_secret).max_bytes == most
    with pytest.raises(ValueError, match=str(most)):
        FileMount.of("x", "/x", b"." * (most + 1), is_secret=is_secret)


@pytest.mark.parametrize(
    ("template", "shown"),
    [
        (Template(""), ()),
        (Template("", network_mode="none"), ()),
        (Template("", isolation=Isolation(cap_add=("NET_ADMIN",), pid="service:db", read_only=True)), ()),
        (Template("", mounts=(Mount(MountType.BIND, "/data", "/srv/data"),)), ()),
        (Template("", isolation=Isolation(security_opt=("no-new-privileges:true",))), ()),
        (Template("", isolation=Isolation(privileged=True, pid="host")), ("pid: host", "privileged")),
        (Template("", isolation=Isolation(cap_add=("ALL",))), ("cap_add: ALL",)),
        (Template("", network_mode="host"), ("network_mode: host",)),
        (
            Template("", isolation=Isolation(security_opt=("seccomp:unconfined",))),
            ("security_opt: seccomp:unconfined",),
        ),
        (
            Template("", mounts=(Mount(MountType.BIND, "/var/run/docker.sock", "/var/run/docker.sock"),)),
            ("bind: /var/run/docker.sock",),
        ),
        (
            Template("", companions=(Companion("side", ContainerTemplate("", isolation=Isolation(privileged=True))),)),
            ("privileged",),
        ),
    ],
)
def test_what_opens_more_than_an_ordinary_container_has_is_shown(template: Template, shown: tuple[str, ...]) -> None:
    assert weakenings(template) == shown


def test_revisions_of_before_these_fields_keep_their_ids() -> None:
    template = Template("sha256:1", command=("serve",), environment=(("A", "1"),), aliases=("web",))
    assert revision_id(WEB, template) == "tide/web@744fef7b9c"


def test_another_content_makes_another_revision() -> None:
    ids = {revision_id(WEB, Template("sha256:1", files=(a_secret(content),))) for content in (b"a", b"b", NOT_TEXT)}
    assert len(ids) == 3


def test_templates_come_out_of_the_record_as_they_went_in() -> None:
    companion = Companion("side", ContainerTemplate("sha256:2", network_mode="none"))
    template = Template(
        "sha256:1",
        files=(a_secret(),),
        mounts=(Mount(MountType.TMPFS, "/tmp", mode=0o1777),),
        attachments=(Attachment("default", ipv4_address="10.5.0.2"),),
        companions=(companion,),
    )
    revision = Revision(RevisionId("r"), WEB, template, datetime(2026, 1, 1, tzinfo=UTC))
    assert decode(Kind.REVISION, encode(Kind.REVISION, revision)) == revision
    assert revision.template.files[0].content == NOT_TEXT


def test_apps_know_their_networks_and_volumes_by_name() -> None:
    back = NetworkDefinition("back", internal=True, ipam=(AddressPool("10.5.0.0/16"),))
    data = VolumeDefinition("data", external_name="theirs")
    app = App(AppName("tide"), TeamName("t"), (), ("default", "back"), None, (back,), (data,))
    assert decode(Kind.APP, encode(Kind.APP, app)) == app
    assert network_named("back", app.network_definitions).internal
    assert network_named("default", app.network_definitions) == NetworkDefinition("default")
    assert volume_named("data", app.volumes).is_external
    assert not volume_named("other", app.volumes).is_external


@pytest.mark.parametrize(
    ("attachment", "alone"),
    [(Attachment("a", priority=3), False), (Attachment("a", mac_address="02:00:00:00:00:01"), True)],
)
def test_who_has_a_fixed_address_stands_alone(attachment: Attachment, alone: bool) -> None:
    assert Template("", attachments=(attachment,)).stands_alone is alone
