"""How many examples a property tries: a share of a quick run, and never fewer than 10,000 in ``make soak``."""

from __future__ import annotations

from hypothesis import settings

SOAK = 10_000


def examples(share: float) -> settings:
    """This share of the profile's number of examples; of the profile ``soak`` all, whatever the share."""
    most = settings().max_examples
    return settings(max_examples=most if most >= SOAK else max(1, int(most * share)))
