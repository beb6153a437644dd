"""`POST /alerts`: Alertmanager's webhook (its payload version 4), behind a bearer token.

With Prometheus configured an alert only rings the bell: the level is asked for at once. Without, the alert is the
level itself, and the answer waits until it is in the EdgeModel's status (`Inbox`).
Alertmanager repeats what was answered with 5xx; what was answered with 4xx it drops.
https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from edgemodel.document import describe
from edgemodel_operator.errors import TooManyDeliveries, Undelivered
from edgemodel_operator.model.naming import Key
from edgemodel_operator.model.observation import Alert, Notice
from edgemodel_operator.signals.reports import fault_of, key_of

MAX_BYTES = 1 << 20
MAX_ALERTS = 500
"""Alerts that are taken of one delivery; a sender drops what is refused, so the others alone are left out."""
_LATER = (429, 503)


class _Item(BaseModel):
    status: str = Field(pattern="^(firing|resolved)$")
    labels: dict[str, str]
    startsAt: AwareDatetime  # noqa: N815 (Alertmanager's spelling)
    fingerprint: str = Field(min_length=1, max_length=128)


class _Payload(BaseModel):
    alerts: list[_Item]
    truncatedAlerts: int = Field(default=0, ge=0)  # noqa: N815 (Alertmanager's spelling)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One POST: the alerts that name an EdgeModel and a fault, and how many were left out, by its sender or here."""

    notices: Mapping[Key, tuple[Notice, ...]]
    truncated: int = 0


class JunkError(ValueError):
    """A body that is not Alertmanager's; says what was wanted."""


def parse(body: bytes) -> Delivery:
    """The first alerts that name an EdgeModel and a fault; others are somebody else's and skipped.

    Raises:
        JunkError: not JSON, or not version 4 of the payload.
    """
    try:
        found = json.loads(body)
        left_out = _cut(found)
        payload = _Payload.model_validate(found)
    except ValidationError as error:
        raise JunkError(describe(error, "body")) from error
    except (ValueError, RecursionError) as error:
        raise JunkError(f"body: want Alertmanager's JSON: {error}") from error
    notices: dict[Key, tuple[Notice, ...]] = {}
    for item in payload.alerts:
        key, fault = key_of(item.labels), fault_of(item.labels)
        if key is not None and fault:
            notices[key] = (*notices.get(key, ()), _notice(item, fault))
    return Delivery(notices=notices, truncated=payload.truncatedAlerts + left_out)


def _cut(found: object) -> int:
    """Leave out what is more than is taken; how many alerts that is."""
    alerts = found.get("alerts") if isinstance(found, dict) else None
    if not isinstance(alerts, list) or len(alerts) <= MAX_ALERTS:
        return 0
    left_out = len(alerts) - MAX_ALERTS
    del alerts[MAX_ALERTS:]
    return left_out


def _notice(item: _Item, fault: str) -> Notice:
    alert = Alert(fault=fault, node=item.labels.get("node", ""), since=item.startsAt, source="Alertmanager")
    return Notice(fingerprint=item.fingerprint, alert=alert, firing=item.status == "firing")


def application(token_file: Path, deliver: Callable[[Delivery], Awaitable[int]]) -> web.Application:
    """The webhook as an aiohttp application; the 200 is sent when `deliver` has returned how many alerts it took.

    The token is read at each request, so that a rotated Secret needs no restart.
    """

    async def alerts(request: web.Request) -> web.Response:
        if not _authorised(request.headers.get("Authorization", ""), token_file):
            return _refuse(401, "want Authorization: Bearer <token>")
        if request.content_type != "application/json":
            return _refuse(415, "want Content-Type: application/json")
        try:
            accepted = await deliver(parse(await request.read()))
        except JunkError as error:
            return _refuse(400, str(error))
        except TooManyDeliveries as error:
            return _refuse(429, str(error))
        except Undelivered as error:
            return _refuse(503, str(error))
        return web.json_response({"accepted": accepted})

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
    headers = {"Retry-After": "1"} if status in _LATER else {}
    return web.json_response(body, status=status, headers=headers)
