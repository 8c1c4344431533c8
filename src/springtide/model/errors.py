"""Everything that Springtide refuses, in one tree.

::

    SpringtideError                 anything below; has a code, a sentence and a remedy
    ├── InputError                  a file or a command line is wrong; names file, line and key
    │   ├── FleetFileError          the fleet file
    │   └── ComposeFileError        a Compose file
    ├── RefusedError                a valid wish that can't be granted (unknown team, taken port, …)
    │   ├── UnknownNameError        nothing has this name
    │   └── LacksCapabilityError    the chosen adapter can't do what is asked
    ├── StoreError                  the record can't be read or written
    │   ├── StaleReadError          something that the commit rests on has changed since it was read
    │   └── FenceLostError          another controller has taken over; this one must stop
    └── AdapterError                an engine, cloud or router failed; may be retried unless said otherwise
        ├── EngineError
        │   └── ImageMissingError   the image is neither on the engine nor in any reachable registry
        ├── CloudError
        │   └── OutOfStockError     the cloud has no such machine now
        └── RouterError
            └── PortTakenError      another program listens on the port

A retry of the same call is safe after any AdapterError: adapters are idempotent.
"""

from __future__ import annotations


class SpringtideError(Exception):
    """A failure with a stable ``code``, a ``sentence`` for people, and the ``remedy``."""

    code = "error"

    def __init__(self, sentence: str, *, remedy: str = "", code: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.remedy = remedy
        self.code = code or type(self).code

    def __str__(self) -> str:
        return f"{self.sentence} {self.remedy}".rstrip()


class InputError(SpringtideError):
    """A file is wrong at a place: ``file``, ``line`` (from 1, 0 where unknown) and ``key`` (dotted)."""

    code = "bad-input"

    def __init__(self, sentence: str, *, file: str, line: int = 0, key: str = "", remedy: str = "") -> None:
        super().__init__(sentence, remedy=remedy)
        self.file = file
        self.line = line
        self.key = key

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        key = f" {self.key}:" if self.key else ""
        return f"{place}:{key} {self.sentence} {self.remedy}".rstrip()


class FleetFileError(InputError):
    code = "bad-fleet-file"


class ComposeFileError(InputError):
    code = "bad-compose-file"


class RefusedError(SpringtideError):
    code = "refused"


class UnknownNameError(RefusedError):
    code = "unknown"


class LacksCapabilityError(RefusedError):
    code = "lacks-capability"


class StoreError(SpringtideError):
    code = "store"


class StaleReadError(StoreError):
    code = "stale-read"


class FenceLostError(StoreError):
    code = "fence-lost"


class AdapterError(SpringtideError):
    code = "adapter"


class EngineError(AdapterError):
    code = "engine"


class ImageMissingError(EngineError):
    code = "image-missing"


class CloudError(AdapterError):
    code = "cloud"


class OutOfStockError(CloudError):
    code = "out-of-stock"


class RouterError(AdapterError):
    code = "router"


class PortTakenError(RouterError):
    code = "port-taken"
