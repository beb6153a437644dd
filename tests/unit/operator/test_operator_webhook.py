"""`POST /alerts` as Alertmanager and strangers meet it, over real HTTP."""

import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from yarl import URL

from edgemodel_operator.errors import TooManyDeliveries, Undelivered
from edgemodel_operator.model.naming import Key
from edgemodel_operator.model.observation import Notice
from edgemodel_operator.signals.webhook import MAX_BYTES, Delivery, JunkError, application, parse

LABELS = {"alertname": "x", "namespace": "plant-a", "edgemodel": "digits", "fault": "low-confidence"}
ITEM: dict[str, Any] = {
    "status": "firing",
    "labels": LABELS,
    "annotations": {},
    "startsAt": "2026-01-01T00:00:00Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "fingerprint": "f1",
}


def payload(*items: dict[str, Any]) -> bytes:
    return json.dumps({"version": "4", "status": "firing", "receiver": "operator", "alerts": list(items)}).encode()


@dataclass
class Hook:
    """The webhook on a loopback port, and what it delivered."""

    url: URL
    token: Path
    session: ClientSession
    delivered: list[Delivery] = field(default_factory=list)
    trouble: list[Undelivered] = field(default_factory=list)
    """Put one here, and the next delivery fails by it."""

    async def post(self, data: bytes, **headers: str) -> tuple[int, Any]:
        given = {"Authorization": "Bearer secret", "Content-Type": "application/json"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.post(self.url, data=io.BytesIO(data), headers=given) as answer:
            return answer.status, await answer.text()


@pytest.fixture
async def hook(tmp_path: Path) -> AsyncIterator[Hook]:
    token = tmp_path / "token"
    token.write_text("secret\n")
    delivered: list[Delivery] = []
    trouble: list[Undelivered] = []

    async def deliver(delivery: Delivery) -> int:
        if trouble:
            raise trouble.pop()
        delivered.append(delivery)
        return sum(map(len, delivery.notices.values()))

    async with TestServer(application(token, deliver)) as server, ClientSession() as session:
        yield Hook(server.make_url("/alerts"), token, session, delivered, trouble)


def only(delivery: Delivery) -> Notice:
    ((notice,),) = delivery.notices.values()
    return notice


async def test_an_alert_is_delivered_before_the_answer(hook: Hook) -> None:
    assert await hook.post(payload(ITEM)) == (200, '{"accepted": 1}')
    (delivery,) = hook.delivered
    notice = only(delivery)
    assert (*delivery.notices, notice.fingerprint, notice.firing) == (Key("plant-a", "digits"), "f1", True)
    assert (notice.alert.fault, notice.alert.node, notice.alert.source) == ("low-confidence", "", "Alertmanager")


@pytest.mark.parametrize(("trouble", "status"), [(Undelivered("later"), 503), (TooManyDeliveries("many"), 429)])
async def test_a_delivery_that_was_not_written_down_is_asked_for_again(
    hook: Hook, trouble: Undelivered, status: int
) -> None:
    hook.trouble.append(trouble)
    assert (await hook.post(payload(ITEM)))[0] == status
    assert (await hook.post(payload(ITEM)))[0] == 200


def test_alerts_of_several_edgemodels_are_told_apart() -> None:
    other = {**ITEM, "labels": LABELS | {"edgemodel": "letters"}}
    delivery = parse(payload(ITEM, other, ITEM))
    assert {key.name: len(found) for key, found in delivery.notices.items()} == {"digits": 2, "letters": 1}


def test_a_delivery_says_how_many_alerts_it_lacks() -> None:
    body = json.loads(payload(ITEM)) | {"truncatedAlerts": 3}
    assert parse(json.dumps(body).encode()).truncated == 3


async def test_of_more_alerts_than_are_taken_the_first_are(hook: Hook) -> None:
    others = ({**ITEM, "fingerprint": f"f{number}"} for number in range(2, 504))
    assert await hook.post(payload(ITEM, *others)) == (200, '{"accepted": 500}')
    (delivery,) = hook.delivered
    ((first, *_),) = delivery.notices.values()
    assert (first.fingerprint, delivery.truncated) == ("f1", 3)


async def test_a_charset_in_the_content_type_is_fine(hook: Hook) -> None:
    status, _ = await hook.post(payload(ITEM), Content_Type="application/json; charset=utf-8")
    assert status == 200


@pytest.mark.parametrize("header", ["", "Bearer wrong", "Bearer", "Bearer ", "Basic secret", "secret", "Bearer sécret"])
async def test_without_the_right_token_nothing_is_delivered(hook: Hook, header: str) -> None:
    status, _ = await hook.post(payload(ITEM), Authorization=header)
    assert (status, hook.delivered) == (401, [])


async def test_a_token_of_bytes_that_are_no_text_is_wrong(hook: Hook) -> None:
    status, _ = await hook.post(payload(ITEM), Authorization="Bearer \udcff")
    assert status == 401


async def test_a_rotated_token_counts_at_once(hook: Hook) -> None:
    hook.token.write_text("newer")
    assert (await hook.post(payload(ITEM)))[0] == 401
    assert (await hook.post(payload(ITEM), Authorization="Bearer newer"))[0] == 200


@pytest.mark.parametrize("content", [None, "", "\n"])
async def test_without_a_token_nobody_is_let_in(hook: Hook, content: str | None) -> None:
    hook.token.unlink()
    if content is not None:
        hook.token.write_text(content)
    assert (await hook.post(payload(ITEM), Authorization="Bearer "))[0] == 401


async def test_another_content_type_is_refused(hook: Hook) -> None:
    status, message = await hook.post(payload(ITEM), Content_Type="text/plain")
    assert status == 415
    assert "application/json" in message


async def test_a_body_above_the_limit_is_refused(hook: Hook) -> None:
    assert (await hook.post(b" " * (MAX_BYTES + 1)))[0] == 413
    assert hook.delivered == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"junk",
        b"[]",
        b"{}",
        b'{"alerts": 1}',
        b"\xff\xfe",
        b"[" * 100_000,
        b"9" * 10_000,
        payload({**ITEM, "status": "maybe"}),
        payload({**ITEM, "startsAt": "yesterday"}),
        payload({**ITEM, "fingerprint": ""}),
    ],
)
async def test_junk_is_refused_and_nothing_of_it_delivered(hook: Hook, body: bytes) -> None:
    status, message = await hook.post(body)
    assert (status, hook.delivered) == (400, [])
    assert message.startswith('{"error": "body')


async def test_what_is_wrong_in_the_body_is_named(hook: Hook) -> None:
    _, message = await hook.post(payload(ITEM, {**ITEM, "status": "maybe"}))
    assert "body.alerts[1].status" in message


async def test_only_posting_alerts_is_possible(hook: Hook) -> None:
    async with hook.session.get(hook.url) as answer:
        assert answer.status == 405
    async with hook.session.post(hook.url.with_path("/")) as answer:
        assert answer.status == 404


@pytest.mark.parametrize("missing", ["namespace", "edgemodel", "fault"])
def test_alerts_of_others_are_skipped(missing: str) -> None:
    labels = {name: value for name, value in LABELS.items() if name != missing}
    assert parse(payload({**ITEM, "labels": labels}, ITEM)) == parse(payload(ITEM))


def test_a_fault_that_no_rule_could_have_is_skipped() -> None:
    assert parse(payload({**ITEM, "labels": LABELS | {"fault": "x" * 53}})).notices == {}


def test_a_resolved_alert_is_known_as_such() -> None:
    notice = only(parse(payload({**ITEM, "status": "resolved"})))
    assert not notice.firing


def test_an_alert_may_name_a_node() -> None:
    notice = only(parse(payload({**ITEM, "labels": LABELS | {"node": "n1"}})))
    assert notice.alert.node == "n1"


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(JunkError, match="startsAt"):
        parse(payload({**ITEM, "startsAt": "2026-01-01T00:00:00"}))
