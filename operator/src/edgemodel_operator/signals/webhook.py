"""`POST /alerts`: Alertmanager's webhook (its payload version 4), behind a bearer token.

With Prometheus configured an alert only rings the bell: the level is asked for at once. Without, the alert is the
level itself, until it is resolved or expires.
https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from edgemodel.document import describe
from edgemodel_operator.model.naming import Key
from edgemodel_operator.model.observation import Alert
from edgemodel_operator.signals.reports import fault_of, key_of

MAX_BYTES = 1 << 20
MAX_ALERTS = 500


class _Item(BaseModel):
    status: str = Field(pattern="^(firing|resolved)$")
    labels: dict[str, str]
    startsAt: AwareDatetime  # noqa: N815 (Alertmanager's spelling)
    fingerprint: str = Field(min_length=1, max_length=128)


class _Payload(BaseModel):
    alerts: list[_Item] = Field(max_length=MAX_ALERTS)


@dataclass(frozen=True, slots=True)
class Notice:
    """One alert of one delivery that names an EdgeModel and a fault."""

    key: Key
    fingerprint: str
    alert: Alert
    firing: bool


class JunkError(ValueError):
    """A body that is not Alertmanager's; says what was wanted."""


def parse(body: bytes) -> list[Notice]:
    """Alerts that name an EdgeModel and a fault; others are somebody else's and skipped.

    Raises:
        JunkError: not JSON, or not version 4 of the payload.
    """
    try:
        payload = _Payload.model_validate(json.loads(body))
    except ValidationError as error:
        raise JunkError(describe(error, "body")) from error
    except (ValueError, RecursionError) as error:
        raise JunkError(f"body: want Alertmanager's JSON: {error}") from error
    notices = (_notice(item) for item in payload.alerts)
    return [notice for notice in notices if notice is not None]


def _notice(item: _Item) -> Notice | None:
    key, fault = key_of(item.labels), fault_of(item.labels)
    if key is None or not fault:
        return None
    alert = Alert(fault=fault, node=item.labels.get("node", ""), since=item.startsAt, source="Alertmanager")
    return Notice(key, item.fingerprint, alert, item.status == "firing")


def application(token_file: Path, deliver: Callable[[list[Notice]], Awaitable[None]]) -> web.Application:
    """The webhook as an aiohttp application; `deliver` gets each delivery before the 200 is sent.

    The token is read at each request, so that a rotated Secret needs no restart.
    """

    async def alerts(request: web.Request) -> web.Response:
        if not _authorised(request.headers.get("Authorization", ""), token_file):
            return _refuse(401, "want Authorization: Bearer <token>")
        if request.content_type != "application/json":
            return _refuse(415, "want Content-Type: application/json")
        try:
            notices = parse(await request.read())
        except JunkError as error:
            return _refuse(400, str(error))
        await deliver(notices)
        return web.json_response({"accepted": len(notices)})

    app = web.Application(client_max_size=MAX_BYTES)
    app.router.add_post("/alerts", alerts)
    return app


def _authorised(header: str, token_file: Path) -> bool:
    try:
        token = token_file.read_bytes().strip()
    except OSError:
        return False
    scheme, _, given = header.partition(" ")
    return (
        bool(token)
        and scheme.lower() == "bearer"
        and hmac.compare_digest(given.strip().encode(errors="surrogateescape"), token)
    )


def _refuse(status: int, message: str) -> web.Response:
    body: dict[str, Any] = {"error": message}
    return web.json_response(body, status=status)
