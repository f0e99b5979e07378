"""Events out of a real engine: hooks, the stream, webhooks; also when it is killed in between."""

import base64
import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.home import Api, Home
from tests.webhook_server import Receiver, receiving
from trifid.client import ApiError, Client
from trifid.drivers.hook.webhook import signature
from trifid.wire.elements import iter_elements, one_element

SECRET = "correct horse battery staple"
VM = "CPU=0.1\nMEMORY=16"
WAIT_S = 60.0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def place(stopped: Home) -> Home:
    """A home whose hook driver is these sources', whatever is installed; its hooks are in HOME/hooks."""
    driver = stopped.path / "drivers" / "trifid-hook"
    driver.parent.mkdir(exist_ok=True)
    driver.write_text(f"#!{sys.executable}\nfrom trifid.drivers.hook.main import main\nmain()\n")
    driver.chmod(0o755)
    (stopped.path / "hooks").mkdir(exist_ok=True)
    toml = stopped.path / "trifid.toml"
    toml.write_text(
        f'{toml.read_text()}\n[hooks]\nretry_after_s = 0.1\nwebhooks_to = ["127.0.0.0/8"]\n'
        "[events]\nheartbeat_s = 0.5\n"
    )
    return stopped


def program(home: Home, text: str, name: str = "tell.sh") -> str:
    path = home.path / "hooks" / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return name


def log_of(api: Api, hook_id: int) -> list[dict]:
    return list(iter_elements(api.call("one.hooklog.info", -1, -1, hook_id, 0), "HOOK_EXECUTION_RECORD"))


def until_logged(api: Api, hook_id: int, count: int) -> list[dict]:
    deadline = time.monotonic() + WAIT_S
    while len(found := log_of(api, hook_id)) < count:
        assert time.monotonic() < deadline, f"{count} executions of hook {hook_id} expected, there are {found}"
        api.call("trifid.event.list", 10**9, 1, 1)
    return found


def running_vm(api: Api) -> int:
    host_id = api.monitored_host("node1")
    vm_id: int = api.call("one.vm.allocate", VM, True)
    api.call("one.vm.deploy", vm_id, host_id, True)
    api.until_state(vm_id, "RUNNING")
    return vm_id


def test_a_hook_runs_when_a_vm_is_running_and_its_log_has_what_it_said(place: Home) -> None:
    place.start()
    api = Api(place)
    command = program(place, 'echo "$1 $2 $3"; echo "$4" | base64 -d')
    described = f"NAME=up\nTYPE=state\nRESOURCE=VM\nON=RUNNING\nCOMMAND={command}\n"
    hook_id = api.call("one.hook.allocate", described + "ARGUMENTS=\"$ID $STATE/$LCM_STATE 'a b' $TEMPLATE\"")
    vm_id = running_vm(api)
    (done,) = until_logged(api, hook_id, 1)
    first, _, document = done["EXECUTION_RESULT"]["STDOUT"].partition("\n")
    assert first == f"{vm_id} ACTIVE/RUNNING a b"
    assert one_element(document.strip(), "VM")["ID"] == str(vm_id)
    assert done["EXECUTION_RESULT"]["CODE"] == "0"


def test_a_hook_that_was_due_when_the_engine_was_killed_runs_after_the_start(place: Home) -> None:
    place.start()
    api = Api(place)
    began, held = place.path / "began", place.path / "held"
    os.mkfifo(began)
    os.mkfifo(held)
    command = program(place, f'[ -e {place.path}/free ] || {{ echo $1 >{began}; cat {held}; }}; echo "did $1"')
    described = f'NAME=up\nTYPE=state\nRESOURCE=VM\nON=RUNNING\nCOMMAND={command}\nARGUMENTS="$ID"'
    hook_id = api.call("one.hook.allocate", described)
    vm_id = running_vm(api)
    assert began.read_text() == f"{vm_id}\n"  # it runs, and nothing of it is written yet
    place.kill()
    (place.path / "free").touch()

    place.start()
    (done,) = until_logged(Api(place), hook_id, 1)
    assert done["EXECUTION_RESULT"]["STDOUT"] == f"did {vm_id}\n"


def test_a_hook_that_fails_is_tried_again_and_can_be_retried_by_hand(place: Home) -> None:
    place.start()
    api = Api(place)
    count = place.path / "count"
    command = program(place, f'echo x >>{count}; echo "no $1" >&2; [ $(wc -l <{count}) -ge 4 ]')
    described = f'NAME=made\nTYPE=api\nCALL=one.host.allocate\nCOMMAND={command}\nARGUMENTS="$API"'
    hook_id = api.call("one.hook.allocate", described)
    api.call("one.host.allocate", "node9", "dummy", "dummy", -1)
    tries = until_logged(api, hook_id, 3)
    assert [(one["EXECUTION_RESULT"]["CODE"], one.get("RETRY", "")) for one in tries] == [
        ("1", ""),
        ("1", "yes"),
        ("1", "yes"),
    ]
    api.call("one.hook.retry", hook_id, 0)
    again = until_logged(api, hook_id, 4)[-1]
    assert again["EXECUTION_RESULT"]["CODE"] == "0"
    assert again["ARGUMENTS"] == tries[0]["ARGUMENTS"]
    info = base64.b64decode(again["ARGUMENTS"]).decode()
    assert "<RESULT>1</RESULT>" in info and "node9" in info
    assert place.path.joinpath("one_auth").read_text().strip() not in info


def test_a_call_that_was_refused_is_told_and_a_stranger_sets_nothing_off(place: Home) -> None:
    place.start()
    api = Api(place)
    command = program(place, 'echo "$1" | base64 -d')
    described = f'NAME=seen\nTYPE=api\nCALL=one.vm.info\nCOMMAND={command}\nARGUMENTS="$API"'
    hook_id = api.call("one.hook.allocate", described)
    stranger = Client(f"http://127.0.0.1:{place.port}/RPC2", "oneadmin:wrong")
    with pytest.raises(ApiError, match="authenticated"):
        stranger.call("one.vm.info", 77)
    with pytest.raises(ApiError, match="Error getting virtual machine"):
        api.call("one.vm.info", 99)
    (told,) = until_logged(api, hook_id, 1)
    info = told["EXECUTION_RESULT"]["STDOUT"]
    assert "<RESULT>0</RESULT>" in info
    assert "<VALUE>99</VALUE>" in info
    assert "<VALUE>****</VALUE>" in info

    described = described.replace("seen", "gone").replace("one.vm.info", "one.host.delete")
    gone = api.call("one.hook.allocate", described)
    host_id = api.call("one.host.allocate", "node7", "dummy", "dummy", -1)
    api.call("one.host.delete", host_id)
    (told,) = until_logged(api, gone, 1)
    assert "<EXTRA><HOST><ID>0</ID><NAME>node7</NAME>" in told["EXECUTION_RESULT"]["STDOUT"]


# -- the stream ----------------------------------------------------------------------------------------


class Stream:
    """An event stream as a client reads it."""

    def __init__(self, home: Home, query: str = "", session: str = "", **headers: str) -> None:
        session = session or (home.path / "one_auth").read_text().strip()
        self.connection = http.client.HTTPConnection("127.0.0.1", home.port, timeout=WAIT_S)
        basic = base64.b64encode(session.encode()).decode()
        self.connection.request("GET", f"/events{query}", headers={"Authorization": f"Basic {basic}", **headers})
        self.answer = self.connection.getresponse()
        self.last_id = ""

    def next(self) -> dict:
        """Return the next event, waiting for it; `event` is its name."""
        named, data = "", ""
        while True:
            line = self.answer.readline().decode().rstrip("\n")
            field, _, value = line.partition(": ")
            if field == "id":
                self.last_id = value
            elif field == "event":
                named = value
            elif field == "data":
                data = value
            elif not line and data:
                return {"event": named, **json.loads(data)}
            assert self.answer.fp is not None, "the stream has ended"

    def close(self) -> None:
        self.connection.close()


@contextlib.contextmanager
def stream(home: Home, query: str = "", session: str = "", **headers: str) -> Iterator[Stream]:
    opened = Stream(home, query, session, **headers)
    try:
        yield opened
    finally:
        opened.close()


def test_a_stream_that_was_cut_goes_on_without_losing_an_event(place: Home) -> None:
    place.start()
    api = Api(place)
    first = api.call("one.vm.allocate", VM, True)
    with stream(place, "?after=0&kind=VM&what=allocated,state") as before:
        assert before.next()["object_id"] == first
        cursor = before.last_id
    second = api.call("one.vm.allocate", VM, True)  # while nobody listens
    place.kill()
    place.start()
    third = Api(place).call("one.vm.allocate", VM, True)
    with stream(place, "?after=0&kind=VM", **{"Last-Event-ID": cursor}) as after:
        found = [after.next() for _ in range(2)]
        assert [one["object_id"] for one in found] == [second, third]
        fourth = Api(place).call("one.vm.allocate", VM, True)
        assert after.next()["object_id"] == fourth


def test_a_cursor_that_never_was_is_told_as_a_gap(place: Home) -> None:
    place.start()
    with stream(place, "?after=999999") as lost:
        assert lost.next()["event"] == "gap"


def test_a_user_hears_of_what_it_may_use_only_and_nobody_else_is_let_in(place: Home) -> None:
    place.start()
    api = Api(place)
    alice = api.call("one.user.allocate", "alice", "alicepw", "core", [])
    hidden = api.call("one.vm.allocate", f"NAME=hidden\n{VM}", True)
    given = api.call("one.vm.allocate", f"NAME=given\n{VM}", True)
    api.call("one.vm.chown", given, alice, -1)
    shown = api.call("one.vm.allocate", f"NAME=shown\n{VM}", True)
    api.call("one.vm.chmod", shown, -1, -1, -1, -1, -1, -1, 1, -1, -1)
    with stream(place, "?after=0&kind=VM&what=allocated", session="alice:alicepw") as seen:
        assert [seen.next()["object_id"] for _ in range(2)] == [given, shown]
    assert hidden not in (given, shown)
    with stream(place, session="alice:wrong") as nobody:
        assert nobody.answer.status == 401
    with stream(place, "?nonsense=1") as wrong:
        assert wrong.answer.status == 400


def test_the_command_prints_events_as_they_come(place: Home) -> None:
    place.start()
    vm_id = Api(place).call("one.vm.allocate", VM, True)
    done = place.run(
        sys.executable, "-m", "trifid.cli.engine", "events", "--after", "0", "--json", "--filter", "kind=VM"
    )
    (event,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (event["what"], event["object_id"]) == ("allocated", vm_id)


# -- webhooks ------------------------------------------------------------------------------------------


def test_a_webhook_is_signed_and_sent_again_until_it_is_taken_in_order(place: Home, receiver: Receiver) -> None:
    place.start()
    api = Api(place)
    receiver.statuses = [500, 503]
    described = f'NAME=chat\nTYPE=webhook\nURL="{receiver.url}"\nFILTER="kind=VM&what=allocated"\nSECRET="{SECRET}"'
    hook_id = api.call("one.hook.allocate", described)
    ids = [api.call("one.vm.allocate", VM, True) for _ in range(3)]
    sent = [receiver.next() for _ in range(5)]
    assert [json.loads(one.body)["object_id"] for one in sent] == [ids[0], ids[0], *ids]
    assert all(one.is_signed_with(SECRET) for one in sent)
    assert len({one.headers["trifid-delivery"] for one in sent}) == 3
    assert [one["EXECUTION_RESULT"]["CODE"] for one in until_logged(api, hook_id, 5)] == ["500", "503", "0", "0", "0"]
    assert SECRET not in api.call("one.hook.info", hook_id, False) + api.call("one.hookpool.info")
    told = "".join(path.read_text(errors="replace") for path in Path(place.path, "log").glob("*"))
    assert SECRET not in told


def test_a_webhook_goes_on_where_it_was_when_the_engine_was_killed(place: Home, receiver: Receiver) -> None:
    place.start()
    api = Api(place)
    receiver.statuses = [500] * 1000
    described = f'NAME=chat\nTYPE=webhook\nURL="{receiver.url}"\nFILTER="kind=VM&what=allocated"\nSECRET="{SECRET}"'
    api.call("one.hook.allocate", described)
    ids = [api.call("one.vm.allocate", VM, True) for _ in range(2)]
    receiver.next()
    place.kill()
    receiver.statuses.clear()
    while not receiver.sent.empty():
        receiver.next()
    place.start()
    assert [json.loads(receiver.next().body)["object_id"] for _ in ids] == ids


def test_hooks_are_for_administrators(place: Home) -> None:
    place.start()
    api = Api(place)
    api.call("one.user.allocate", "alice", "alicepw", "core", [])
    alice = Client(f"http://127.0.0.1:{place.port}/RPC2", "alice:alicepw")
    with pytest.raises(ApiError, match="Not authorized to perform CREATE HOOK"):
        alice.call("one.hook.allocate", "NAME=x\nTYPE=api\nCALL=one.vm.info\nCOMMAND=x")
    assert alice.call("one.hookpool.info") == "<HOOK_POOL></HOOK_POOL>"


# -- the page ------------------------------------------------------------------------------------------

PAGE = (Path(__file__).parents[2] / "docs" / "events.md").read_text(encoding="utf-8")


def fenced(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_what_the_page_tells_to_type_works(place: Home, tmp_path: Path) -> None:
    place.start()
    api = Api(place)
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "onehook").write_text(f'#!/bin/sh\nexec {sys.executable} -m trifid.cli.hook "$@"\n')
    (commands / "onehook").chmod(0o755)
    environment = {**place.environment, "PATH": f"{commands}{os.pathsep}{place.environment['PATH']}"}
    for script in fenced("sh"):
        if "onehook" in script:
            subprocess.run(["sh", "-eu", "-c", script], env=environment, check=True, timeout=WAIT_S)
    vm_id = running_vm(api)
    until_logged(api, 0, 1)
    assert (place.path / "log" / "tell.log").read_text() == f"VM {vm_id} runs\n"
    names = [hook["NAME"] for hook in iter_elements(api.call("one.hookpool.info"), "HOOK")]
    assert names == ["chat", "tell"]


def test_what_the_page_tells_receivers_to_check_is_the_signature() -> None:
    (script,) = fenced("python")
    told: dict = {}
    exec(script, told)
    assert told["is_ours"](SECRET, signature(SECRET, 1000, b"{}"), b"{}")
    assert not told["is_ours"](SECRET, signature("another", 1000, b"{}"), b"{}")
    assert not told["is_ours"](SECRET, signature(SECRET, 1000, b"{}"), b"{ }")
