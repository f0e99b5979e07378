"""Wild domains and differences on a real engine with dummy drivers: shown, mended, imported, ended."""

import json
import re
from pathlib import Path

from tests.system.home import Api, Home

TEMPLATE = "NAME = web\nCPU = 0.5\nMEMORY = 128"


def happens(home: Home, line: str) -> None:
    """Change the dummies' world behind the engine's back."""
    with (home.path / "dummy" / "world.log").open("a") as world:
        world.write(f"{line}\n")


def domains(home: Home) -> list[str]:
    """Return the names of what runs, and ran last, in the dummies' world."""
    state = {}
    for line in (home.path / "dummy" / "world.log").read_text().splitlines():
        name, _, word, _ = line.split()
        state[name] = word
    return [name for name, word in state.items() if word == "running"]


def test_a_wild_domain_is_shown_imported_powered_off_resumed_and_terminated(home: Home, api: Api) -> None:
    host_id = api.monitored_host("node1")
    happens(home, "legacy node1 running 0")
    assert "legacy" in home.run("onehost", "resync", "node1").stdout
    assert re.search(r"WILD VMS.*\n.*\nlegacy +RUNNING", home.run("onehost", "show", "node1").stdout)
    vm_id = int(home.run("onehost", "importvm", "node1", "legacy").stdout.split()[1])
    assert api.state(vm_id) == "RUNNING"
    assert "WILD VMS" not in home.run("onehost", "show", str(host_id)).stdout
    assert "Nothing differs" in home.run("onehost", "resync", "node1").stdout
    refused = home.run("onevm", "suspend", str(vm_id), status=255)
    assert "was imported" in refused.stderr
    home.run("onevm", "poweroff", str(vm_id), "--wait")
    assert domains(home) == []
    home.run("onevm", "resume", str(vm_id), "--wait")
    assert domains(home) == ["legacy"]
    home.run("onevm", "terminate", str(vm_id), "--wait")
    assert domains(home) == []


def test_what_runs_is_adopted_after_a_crash_and_on_demand(home: Home, api: Api) -> None:
    api.monitored_host("node1")
    happens(home, "legacy node1 running 0")
    legacy = api.call("trifid.host.import_vm", 0, "legacy")
    gone = api.call("one.vm.allocate", TEMPLATE)
    api.until_state(gone, "RUNNING")
    home.kill()
    happens(home, f"{gone} - gone 0")
    home.start()
    api = Api(home)
    api.until_state(gone, "POWEROFF", timeout_s=10)
    assert api.state(legacy) == "RUNNING"
    happens(home, f"{gone} node1 running 0")
    (one,) = json.loads(api.call("trifid.host.resync", 0))["differences"]
    assert (one["vm_id"], one["seen"], one["becomes"]) == (gone, "RUNNING", "RUNNING")
    assert api.state(gone) == "POWEROFF"
    assert "RUNNING" in home.run("onevm", "resync", str(gone), "--apply").stdout
    assert api.state(gone) == "RUNNING"


def test_an_imported_vm_has_no_directory_to_lose(home: Home, api: Api) -> None:
    api.monitored_host("node1")
    happens(home, "legacy node1 running 0")
    vm_id = api.call("trifid.host.import_vm", 0, "legacy")
    api.call("one.vm.action", "terminate-hard", vm_id)
    api.until_state(vm_id, "DONE")
    assert not Path(home.path, "vms", str(vm_id)).exists()
