"""VMs that run are moved: by plans, and away from a host that is to be empty; none of them is ever stopped."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.system.home import Api, Home
from trifid.wire.elements import iter_elements, several

PAGE = Path(__file__).parents[2] / "docs" / "re-placement.md"
LIVE_MIGRATE = "2"


@pytest.fixture
def vms(api: Api) -> list[int]:
    """Four VMs on the first of three hosts."""
    api.monitored_host("node1")
    found = [api.call("one.vm.allocate", f"NAME=vm{n}\nCPU=12\nMEMORY=8192", False) for n in range(4)]
    for vm_id in found:
        api.until_state(vm_id, "RUNNING")
    for name in ("node2", "node3"):
        api.monitored_host(name)
    return found


def stays(api: Api, vm_id: int) -> list[dict]:
    return several(api.vm(vm_id)["HISTORY_RECORDS"]["HISTORY"])


def on_host(api: Api, name: str) -> list[str]:
    (host,) = [one for one in iter_elements(api.call("one.hostpool.info"), "HOST") if one["NAME"] == name]
    return several((host.get("VMS") or {}).get("ID"))


def test_a_flushed_host_is_empty_and_no_vm_was_stopped(home: Home, api: Api, vms: list[int]) -> None:
    done = home.run("onehost", "flush", "node1", "--wait")
    assert done.stdout.endswith("Host node1 is empty: nothing runs there\n")
    assert on_host(api, "node1") == []
    for vm_id in vms:
        assert api.state(vm_id) == "RUNNING"
        assert [stay["ACTION"] for stay in stays(api, vm_id)[:-1]] == [LIVE_MIGRATE]


def test_a_vm_that_finds_no_other_host_stays_and_it_is_told_why(home: Home, api: Api, vms: list[int]) -> None:
    api.call("one.vm.update", vms[0], 'SCHED_REQUIREMENTS = "NAME = node1"', 1)
    done = home.run("onehost", "maintenance", "node1", "--timeout", "8", status=255)
    assert (
        f"Error: VM {vms[0]} is still RUNNING on host node1 after 8 s: No host meets SCHED_REQUIREMENTS" in done.stderr
    )
    assert on_host(api, "node1") == [str(vms[0])]
    assert len(stays(api, vms[0])) == 1


def test_a_plan_is_carried_out_live_and_leaves_nothing_to_do(home: Home, api: Api, vms: list[int]) -> None:
    for goal in ("balance", "consolidate"):
        made = json.loads(home.run("trifid", "sched", "plan", "--goal", goal, "--apply", "--json").stdout)
        assert len(made["steps"]) == 2
        again = json.loads(home.run("trifid", "sched", "plan", "--goal", goal, "--json").stdout)
        assert again["steps"] == []
        assert [host["before"] for host in again["hosts"]] == [host["after"] for host in made["hosts"]]
    actions = {stay["ACTION"] for vm_id in vms for stay in stays(api, vm_id)[:-1]}
    assert actions == {LIVE_MIGRATE}


def test_the_tour_of_the_manual_can_be_taken(home: Home, api: Api, tmp_path: Path) -> None:
    (text,) = re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    for part in text.removeprefix("$ ").split("\n$ "):
        command, _, expected = part.partition("\n")
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=tmp_path,
            env=home.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        if expected:
            assert done.stdout.strip() == expected.strip()
        if command.startswith("onehost create"):
            api.until(lambda: all(host["STATE"] == "2" for host in api.hosts()), "all hosts are MONITORED")
    assert json.loads((tmp_path / "plan.json").read_text())["goal"] == "consolidate"
