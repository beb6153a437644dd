"""Where samples come from: one query to Prometheus for the whole fleet, or a scrape of each pod."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Protocol

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from edgemodel import series
from edgemodel_operator.errors import SignalError
from edgemodel_operator.model.observation import Target
from edgemodel_operator.signals.access import Access
from edgemodel_operator.signals.query import QUESTION
from edgemodel_operator.signals.reports import TRAINING, WANTED, Sample

TIMEOUT = aiohttp.ClientTimeout(total=5)
_NOT_LET_IN = (401, 403)
_ADVICE = "it wants a bearer token that it knows (chart: prometheus.existingSecret)"
SCRAPE_TIMEOUT = aiohttp.ClientTimeout(total=5, sock_connect=2)
"""Two seconds let a lost first packet be sent once more; who is behind a cut link keeps a place for no longer."""
SCRAPES_AT_ONCE = 64
MAX_SCRAPE_BYTES = 1 << 20


class Source(Protocol):
    """Gives the samples of this moment."""

    async def read(self) -> list[Sample]:
        """All samples of all EdgeModels.

        Raises:
            SignalError: nothing could be learned; says why.
        """
        ...


class Prometheus:
    """Asks Prometheus' HTTP API; a target that cannot be scraped has no series there, so it is absent here."""

    def __init__(self, session: aiohttp.ClientSession, url: str, access: Access) -> None:
        self._session, self._access = session, access
        self._url = url.rstrip("/") + "/api/v1/query"

    async def read(self) -> list[Sample]:
        """See `Source.read`."""
        headers, trust = self._access.headers(), self._access.trust()
        question = {"query": QUESTION}
        try:
            async with self._session.post(
                self._url, data=question, headers=headers, ssl=trust, timeout=TIMEOUT
            ) as response:
                if response.status in _NOT_LET_IN:
                    raise SignalError(f"Prometheus at {self._url} answered {response.status}: {_ADVICE}")
                body = json.loads(await response.read(), object_hook=_sampled)
            return [_is_sample(row) for row in body["data"]["result"]]
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            why = f"{type(error).__name__}: {error}"  # its repr may have the headers of the question
            raise SignalError(f"Prometheus at {self._url} did not answer: {why}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SignalError(f"Prometheus at {self._url} answered something else: {error!r}") from error


def _sampled(found: dict[str, Any]) -> object:
    """A row of the result as a sample, at once: as it came, the answer about a thousand EdgeModels takes 40 MiB.

    Raises:
        ValueError, KeyError, TypeError: it looks like one and is none.
    """
    metric = found.get("metric")
    if not isinstance(metric, dict):  # also labels, one of which may be called metric
        return found
    labels = {sys.intern(name): sys.intern(value) for name, value in metric.items()}
    return Sample(labels.pop("__name__"), labels, float(found["value"][1]))


def _is_sample(row: object) -> Sample:
    if not isinstance(row, Sample):
        raise TypeError(f"want rows with metric and value, got {row!r:.80}")
    return row


class Scrape:
    """Asks the pods themselves; for small clusters without Prometheus. A pod that does not answer is absent."""

    def __init__(
        self, session: aiohttp.ClientSession, targets: Callable[[], Iterable[Target]], clock: Callable[[], datetime]
    ) -> None:
        self._session, self._targets, self._clock = session, targets, clock
        self._places = asyncio.Semaphore(SCRAPES_AT_ONCE)

    async def read(self) -> list[Sample]:
        """See `Source.read`."""
        targets = list(self._targets())
        answers = await asyncio.gather(*(self._scrape(target) for target in targets))
        serving = [answer for target, answer in zip(targets, answers, strict=True) if not target.trains]
        if serving and all(answer is None for answer in serving):
            raise SignalError(f"none of {len(serving)} pods answered a scrape")
        return [sample for answer in answers if answer is not None for sample in answer]

    async def _scrape(self, target: Target) -> list[Sample] | None:
        host = f"[{target.address}]" if ":" in target.address else target.address
        url = f"http://{host}:{series.PORT_ADMIN}/metrics"
        try:
            async with self._places, self._session.get(url, timeout=SCRAPE_TIMEOUT) as response:
                response.raise_for_status()
                text, at = (await _read(response)).decode(), self._clock()
            families = list(text_string_to_metric_families(text))
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
            return None
        names = TRAINING if target.trains else WANTED
        wanted = (s for family in families for s in family.samples if s.name in names)
        return [Sample(s.name, {**s.labels, "instance": target.address, **target.labels}, s.value, at) for s in wanted]


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The whole body: a part of one would make faults disappear.

    Raises:
        ValueError: it is larger than `MAX_SCRAPE_BYTES`.
    """
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_SCRAPE_BYTES:
            raise ValueError(f"want at most {MAX_SCRAPE_BYTES} bytes of metrics")
    return bytes(body)
