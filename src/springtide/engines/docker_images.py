"""Images of a Docker Engine: building them, and finding the immutable name of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aiodocker.exceptions import DockerError

from springtide.engines.docker_api import NOT_FOUND, UNREACHABLE, DockerApi, label_filter
from springtide.engines.docker_builds import DockerBuilds
from springtide.engines.docker_instances import ContainerNames
from springtide.model.builds import BuildSpec, Pull
from springtide.model.errors import EngineError, ImageMissingError

ID_LENGTH = 12


class DockerImages:
    """Builds, resolves and removes images; what it builds carries the installation's label and a tag."""

    def __init__(self, api: DockerApi, names: ContainerNames) -> None:
        self._api = api
        self._names = names
        self._builds = DockerBuilds(api, names)

    async def build(self, spec: BuildSpec) -> str:
        """The new image's id. Raises EngineError with the build's last lines."""
        image = await self._builds.build(spec)
        await self._keep(image)
        return image

    async def resolve(self, reference: str, pull: Pull) -> str:
        """The repository digest of a pulled image, the id of any other. Raises ImageMissingError."""
        if pull is not Pull.ALWAYS:
            present = await self._find(reference)
            if present is not None:
                return present
            if pull is Pull.NEVER:
                raise self._missing(reference, "may not be pulled now")
        await self._pull(reference)
        pulled = await self._find(reference)
        if pulled is None:
            raise self._missing(reference, "has gone again")
        return pulled

    async def delete_all(self) -> None:
        """Remove every image that this installation built."""
        with self._api.call("list images"):
            images = await self._api.client.images.list(filters=label_filter(self._names.labels))
        for image in images:
            with self._api.call(f"remove the image {image['Id']}", tolerate=(NOT_FOUND,)):
                await self._api.client.images.delete(image["Id"], force=True)

    async def _keep(self, image: str) -> None:
        """Tag the image, so that pruning dangling images doesn't take it."""
        short = image.removeprefix("sha256:")[:ID_LENGTH]
        with self._api.call(f"tag the image {image}"):
            await self._api.client.images.tag(image, f"springtide-{self._names.installation}", tag=short)

    async def _find(self, reference: str) -> str | None:
        with self._api.call(f"look up the image {reference}"):
            try:
                return self._immutable_name(reference, await self._api.client.images.inspect(reference))
            except DockerError as error:
                if error.status != NOT_FOUND:
                    raise
        return None

    def _missing(self, reference: str, detail: str) -> ImageMissingError:
        return ImageMissingError(
            f"The image {reference} isn't on the engine at {self._api.host} and {detail}.",
            remedy="Correct its name, or build it (build: in the Compose file), or load it: docker load.",
        )

    async def _pull(self, reference: str) -> None:
        try:
            with self._api.call(f"pull the image {reference}"):
                await self._api.client.images.pull(reference)
        except EngineError as error:
            if not isinstance(error.__cause__, DockerError) or error.__cause__.status == UNREACHABLE:
                raise
            why = error.__cause__.message.strip().rstrip(".")
            raise self._missing(reference, f"can't be pulled: {why}") from error

    @staticmethod
    def _immutable_name(reference: str, inspected: Mapping[str, Any]) -> str:
        """The digest under the reference's own repository, else the image's id."""
        repository = _repository(reference)
        digests: Iterable[str] = inspected.get("RepoDigests") or ()
        return next((each for each in digests if each.partition("@")[0] == repository), str(inspected["Id"]))


def _repository(reference: str) -> str:
    """``host:5000/team/app`` of ``host:5000/team/app:tag@sha256:…``."""
    name = reference.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"
