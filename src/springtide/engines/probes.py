"""Readiness probes that go over the network: one question, one outcome."""

from __future__ import annotations

import asyncio

import aiohttp

from springtide.engines.base import ProbeOutcome
from springtide.model.workloads import HttpProbe, TcpProbe


class NetworkProber:
    """Asks instances whether they are ready, with a fresh connection each time, as a new client would."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def probe(self, address: str | None, probe: HttpProbe | TcpProbe, timeout_seconds: float) -> ProbeOutcome:
        """One outcome; a refusal, an error and a time-out are outcomes, not errors."""
        what = f"GET {probe.path}" if isinstance(probe, HttpProbe) else f"connect to port {probe.port}"
        if address is None:
            return ProbeOutcome(False, f"{what}: the instance has no address")
        try:
            async with asyncio.timeout(timeout_seconds):
                if isinstance(probe, HttpProbe):
                    return await self._get(address, probe, what)
                return await self._connect(address, probe, what)
        except TimeoutError:
            return ProbeOutcome(False, f"{what}: no answer within {timeout_seconds:g} s")
        except (aiohttp.ClientError, OSError) as error:
            return ProbeOutcome(False, f"{what}: {_plainly(error)}")

    async def _get(self, address: str, probe: HttpProbe, what: str) -> ProbeOutcome:
        url = f"http://{address}:{probe.port}{probe.path}"
        async with self._http().get(url, allow_redirects=False) as response:
            return ProbeOutcome(200 <= response.status < 400, f"{what}: {response.status}")

    async def _connect(self, address: str, probe: TcpProbe, what: str) -> ProbeOutcome:
        _, writer = await asyncio.open_connection(address, probe.port)
        writer.close()
        return ProbeOutcome(True, f"{what}: accepted")

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(force_close=True, limit=0, use_dns_cache=False)
            self._session = aiohttp.ClientSession(connector=connector)
        return self._session


def _plainly(error: Exception) -> str:
    cause: BaseException = getattr(error, "os_error", error)
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
