"""Leases in time on a real engine: best effort makes room for a reservation and goes on after it."""

import re
import subprocess
import time
from pathlib import Path

from tests.system.home import Api, Home

PAGE = (Path(__file__).parents[2] / "docs" / "leases.md").read_text(encoding="utf-8")

CORES = 4


def lease(start: str, duration: str = "unlimited", preemptible: str = "no", cores: int = CORES) -> str:
    keys = f'START = "{start}", DURATION = "{duration}", PREEMPTIBLE = "{preemptible}"'
    return f"CPU = {cores}\nMEMORY = 64\nHAIZEA = [ {keys} ]"


def told(api: Api, vm_id: int) -> dict:
    return api.vm(vm_id)["USER_TEMPLATE"] or {}


def test_best_effort_makes_room_for_a_reservation_and_goes_on_after_it(home: Home, api: Api) -> None:
    host_id = api.monitored_host("node1")
    cores = int(next(h for h in api.hosts() if h["ID"] == str(host_id))["HOST_SHARE"]["MAX_CPU"]) // 100

    best_effort = api.call("one.vm.allocate", lease("best_effort", preemptible="yes", cores=cores))
    api.until_state(best_effort, "RUNNING")

    began = time.time()
    reserved = api.call("one.vm.allocate", lease("+00:00:20", "00:00:10", cores=cores))
    too_much = api.call("one.vm.allocate", lease("+00:00:25", "00:00:10", cores=1))
    api.until_state(too_much, "HOLD")
    assert "needs 1 cores, 0 are free on the best host, node1" in told(api, too_much)["SCHED_MESSAGE"]
    mark = told(api, reserved)["SCHED_LEASE"]
    assert (mark["STATE"], mark["HOST_ID"]) == ("accepted", str(host_id))
    assert int(mark["START"]) == int(api.vm(reserved)["STIME"]) + 20

    api.until_state(best_effort, "SUSPENDED")
    assert time.time() < int(mark["START"]), "it was suspended too late"
    assert api.state(reserved) == "PENDING"
    listed = home.run("trifid", "sched", "leases").stdout
    assert all(word in listed for word in ("suspended", "accepted", "node1")), listed

    api.until_state(reserved, "RUNNING")
    assert 19 <= time.time() - began <= 26
    api.until_state(reserved, "DONE")
    assert 29 <= time.time() - began <= 40
    api.until_state(best_effort, "RUNNING")


def test_a_wish_that_makes_no_sense_is_refused_when_it_is_submitted(home: Home, api: Api) -> None:
    refused = home.run("onevm", "create", "-", text=lease("tomorrow"), status=None)
    assert refused.returncode != 0
    assert "START must be best_effort, now, +HH:MM:SS or YYYY-MM-DD HH:MM:SS (UTC)" in refused.stderr


def test_the_examples_of_the_manual_do_what_it_says(home: Home, api: Api, tmp_path: Path) -> None:
    (typed,) = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    said = {}
    for command in (line.removeprefix("$ ") for line in typed.splitlines()):
        done = subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, env=home.environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        said[command] = done.stdout
        if "NAME=big" in command:
            api.until_state(2, "HOLD")
    assert "is reserved for it" in said["onevm show course"]
    assert "Rejected, from" in said["onevm show big"]
    lines = [line.split() for line in said["trifid sched leases"].splitlines()]
    assert [line[-1] for line in lines if line[:1] in (["0"], ["1"], ["2"])][:3] == ["running", "accepted", "hold"]
    assert f"....========{'.' * 36}" in said["trifid sched leases"]
