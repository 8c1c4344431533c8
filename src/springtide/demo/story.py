"""The story: who gets how many requests when."""

from __future__ import annotations

from dataclasses import dataclass

from springtide.load.plan import RatePhase


@dataclass(frozen=True, slots=True)
class Scene:
    """A stretch of the story; rates are requests a second at its beginning and its end."""

    name: str
    seconds: float
    feed: tuple[float, float]
    redpacket: tuple[float, float]
    tells: str


STORY = (
    Scene("calm", 6, (50, 50), (50, 50), "Both teams are at ease on their own machines."),
    Scene("rise", 5, (50, 50), (50, 300), "redpacket rises sixfold; who stood by serves at once."),
    Scene("peak", 16, (50, 50), (300, 300), "own, shared, borrowed from feed, then rented machines carry it."),
    Scene("return", 2, (50, 110), (300, 300), "feed wants its own machines back."),
    Scene("both high", 20, (110, 110), (300, 300), "feed gets them; redpacket moves further into the cloud."),
    Scene("ebb", 14, (50, 50), (240, 240), "Less to do: what is still needed comes home from the cloud."),
    Scene("calm again", 15, (50, 50), (50, 50), "Borrowed and shared machines are handed back."),
)
APPS = ("feed", "redpacket")
SPIKING, RETURNING = "redpacket", "feed"
SPIKE_BEGINS = "rise"
REPLICAS_WHEN_FROZEN = 3


def phases_of(app: str) -> tuple[RatePhase, ...]:
    """What the traffic generator sends to one app."""
    rates = [scene.feed if app == "feed" else scene.redpacket for scene in STORY]
    return tuple(RatePhase(scene.name, scene.seconds, *rate) for scene, rate in zip(STORY, rates, strict=True))


def begins_at(name: str) -> float:
    """Seconds from the story's beginning to a scene's. Raises KeyError for a scene that isn't there."""
    seconds = 0.0
    for scene in STORY:
        if scene.name == name:
            return seconds
        seconds += scene.seconds
    raise KeyError(name)


def scene_at(second: float) -> Scene:
    """The scene that is on so many seconds into the story; the last one when it is over."""
    for scene in STORY:
        if second < scene.seconds:
            return scene
        second -= scene.seconds
    return STORY[-1]


def rate_at(app: str, second: float) -> float:
    """Requests a second offered to an app at a moment of the story."""
    for phase in phases_of(app):
        if second < phase.seconds:
            return phase.rate_at(second)
        second -= phase.seconds
    return 0.0


def highest_rate_after(app: str, scene_name: str) -> float:
    """The highest rate offered to an app from the beginning of a scene to the next but one's end."""
    names = [scene.name for scene in STORY]
    first = names.index(scene_name)
    return max(max(phase.rps_from, phase.rps_to) for phase in phases_of(app)[first : first + 2])
