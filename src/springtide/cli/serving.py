"""The control plane's own process: ``python -m springtide.cli.serving HOME API_PORT INGRESS_PORT [FLEET_FILE]``.

An entry of its own, so that a start in the background imports no command line.
"""

from __future__ import annotations

import gc
import json
import signal
import sys
from pathlib import Path

from springtide.cli.homes import Home, Ports
from springtide.model.errors import SpringtideError

CAUSE = "springtide-cause: "
"""How the line begins by which a control plane that can't go on says why: code, sentence, remedy as JSON."""


def serve_home(home: Home, ports: Ports, fleet_file: Path | None) -> None:
    """Serve until SIGTERM or SIGINT; what runs keeps running. Raises what ``springtide.app.serve`` raises."""
    with home.occupied(ports):
        _serve(home, ports, fleet_file)


def _serve(home: Home, ports: Ports, fleet_file: Path | None) -> None:
    # Imports make much that lasts: collecting meanwhile would cost a tenth of the start.
    gc.disable()
    import uvloop

    from springtide.app import Settings, serve

    gc.freeze()
    gc.enable()
    # The server ends on a signal by itself, then raises it once more: without a handler of ours that
    # would end the process before the adapters are closed.
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: None)
    settings = Settings(home.path, fleet_file, api_port=ports.api, ingress_port=ports.ingress)
    uvloop.run(serve(settings))


def main(words: list[str]) -> int:
    home, api_port, ingress_port, *fleet_file = words
    ports = Ports(int(api_port), int(ingress_port))
    try:
        serve_home(Home(Path(home)), ports, Path(fleet_file[0]) if fleet_file else None)
    except SpringtideError as error:
        print(f"{CAUSE}{json.dumps([error.code, str(error).removesuffix(error.remedy).rstrip(), error.remedy])}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
