"""The door for Prometheus: who may read, and that Prometheus' own parsers read what is told."""

import base64

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain_text

from tests.doors.asgi import Response, request
from trifid.doors.metrics import KEPT_S, with_metrics
from trifid.errors import NotAllowed, NotAuthenticated
from trifid.methods.metrics import Distribution, Family

FAMILIES = [
    Family("trifid_vms", "gauge", "VMs.", ("state",), {("RUNNING",): 3, ('odd "name"\n\\',): 1}),
    Family("trifid_calls", "counter", "Calls.", ("method", "outcome"), {("one.vm.info", "ok"): 7}),
    Family(
        "trifid_commit_duration_seconds",
        "histogram",
        "Writes.",
        values={(): Distribution([(0.1, 2), (1.0, 3), (float("inf"), 4)], 9.5)},
    ),
]


async def elsewhere(scope, receive, send):
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b"the API"})


class World:
    """A door to figures, of which strangers get the first when it is open."""

    def __init__(self) -> None:
        self.is_open = False
        self.looks = 0
        self.now = 0.0
        self.app = with_metrics(elsewhere, self.read, lambda: self.now)

    async def read(self, session, peer):
        if session is None and not self.is_open:
            raise NotAuthenticated("figures are for administrators: send user and password")
        if session == "alice:pw":
            raise NotAllowed("User [2] : Not authorized to perform MANAGE SYSTEM.")
        if session not in (None, "oneadmin:pw"):
            raise NotAuthenticated("User couldn't be authenticated, aborting call.")
        return lambda: self.tell(FAMILIES if session else FAMILIES[:1])

    def tell(self, families):
        self.looks += 1
        return families

    async def get(self, who: str = "", method: str = "GET", **headers: str) -> Response:
        if who:
            headers["authorization"] = f"Basic {base64.b64encode(who.encode()).decode()}"
        return await request(self.app, b"", path="/metrics", method=method, headers=headers)


@pytest.fixture
def world():
    return World()


def values(families) -> dict[tuple, float]:
    return {
        (s.name, *sorted(s.labels.items())): s.value
        for family in families
        for s in family.samples
        if s.name.startswith("trifid")
    }


EXPECTED = {
    ("trifid_vms", ("state", "RUNNING")): 3,
    ("trifid_vms", ("state", 'odd "name"\n\\')): 1,
    ("trifid_calls_total", ("method", "one.vm.info"), ("outcome", "ok")): 7,
    ("trifid_commit_duration_seconds_bucket", ("le", "0.1")): 2,
    ("trifid_commit_duration_seconds_bucket", ("le", "1.0")): 3,
    ("trifid_commit_duration_seconds_bucket", ("le", "+Inf")): 4,
    ("trifid_commit_duration_seconds_count",): 4,
    ("trifid_commit_duration_seconds_sum",): 9.5,
}


async def test_an_administrator_reads_all_as_text(world):
    answer = await world.get("oneadmin:pw")
    assert answer.status == 200
    assert answer.headers[b"content-type"].startswith(b"text/plain; version=")
    assert values(plain_text(answer.body.decode())) == EXPECTED
    assert b"process_resident_memory_bytes" in answer.body


async def test_who_asks_for_it_gets_open_metrics(world):
    answer = await world.get("oneadmin:pw", accept='application/openmetrics-text;version="x";q=0.5,text/plain')
    assert answer.headers[b"content-type"].startswith(b"application/openmetrics-text; version=")
    assert values(open_metrics(answer.body.decode())) == EXPECTED


async def test_strangers_are_told_how_to_say_who_they_are(world):
    for who in ("", "oneadmin:wrong", "nobody:pw"):
        answer = await world.get(who)
        assert answer.status == 401
        assert answer.headers[b"www-authenticate"].startswith(b"Basic ")
        assert b"trifid_" not in answer.body


async def test_users_who_are_no_administrators_are_refused(world):
    answer = await world.get("alice:pw")
    assert answer.status == 403
    assert b"trifid_" not in answer.body


async def test_an_open_door_tells_strangers_only_what_is_for_them(world):
    world.is_open = True
    assert b"trifid_calls" in (await world.get("oneadmin:pw")).body
    answer = await world.get()
    assert answer.status == 200
    assert b"trifid_vms" in answer.body
    assert b"trifid_calls" not in answer.body
    assert (await world.get("oneadmin:wrong")).status == 401


async def test_many_who_ask_cost_one_look(world):
    for _ in range(5):
        await world.get("oneadmin:pw")
    assert world.looks == 1
    world.now += KEPT_S
    await world.get("oneadmin:pw")
    assert world.looks == 2


async def test_only_get_reads_and_head_has_no_body(world):
    assert (await world.get("oneadmin:pw", "POST")).status == 405
    answer = await world.get("oneadmin:pw", "HEAD")
    assert answer.status == 200
    assert answer.body == b""


async def test_all_else_is_elsewhere(world):
    assert (await request(world.app, b"", path="/RPC2")).status == 299
    assert (await request(world.app, b"", path="/metrics/x")).status == 299
