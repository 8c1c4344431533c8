"""What both tables of refusals share: one place of a sound fleet file is changed, and this must be said of it."""

from __future__ import annotations

import pytest

from springtide.formats.fleet import parse_fleet
from springtide.model.errors import FleetFileError

Refusal = tuple[str, str, int, str, str, str]
"""What is changed into what; the line, the key, words of the sentence and words of the remedy."""


def check_refusal(sound: str, refusal: Refusal) -> None:
    """Fail unless the changed file is refused at this line and key with these words."""
    old, new, line, key, words, remedy = refusal
    assert sound.count(old) == 1, "the test must change one place"
    with pytest.raises(FleetFileError) as caught:
        parse_fleet(sound.replace(old, new), "springtide.yaml")
    error = caught.value
    assert (error.file, error.line, error.key) == ("springtide.yaml", line, key), str(error)
    assert words in error.sentence, str(error)
    assert remedy in error.remedy, str(error)
