"""A host falls silent: nothing moves without proof, everything does with it; on a real engine with dummy drivers."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.home import BIN, Api, Home
from trifid.client.errors import ApiError

QUICK = "[engine]\nmonitoring_interval_s = 1\nhost_lost_after_s = 3\n"
FAILOVER = """
[failover]
enabled = true
after_s = 5

[drivers.im.lonely]
executable = "im-lonely"

[drivers.fence.power]
executable = "trifid-fence"
"""
FENCE = """\
#!/bin/sh
# Switches a host of the dummy world off: all domains on it are gone.
echo "$@" >> "$TRIFID_HOME/fence/asked"
[ ! -e "$TRIFID_HOME/fence/broken" ] || { echo "the outlet does not answer" >&2; exit 1; }
world=$TRIFID_HOME/dummy/world.log
last() {
    awk -v host="$1" '{ at[$1] = $2; is[$1] = $3 }
        END { for (vm in at) if (at[vm] == host && is[vm] == "running") print vm }' "$world"
}
case $1 in
    off) for vm in $(last "$2"); do echo "$vm $2 gone 0" >> "$world"; done ;;
    status) [ -z "$(last "$2")" ] ;;
esac
"""
LONELY = f'#!/bin/sh\nexec {BIN / "trifid-im-dummy"} "$@"\n'
VM = "CPU = 0.1\nMEMORY = 64\n"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """An engine that fences silent hosts, and one information driver for a single host."""
    made = Home(tmp_path / "home")
    settings = made.path / "trifid.toml"
    text = settings.read_text()
    assert text.count("\n[engine]\n") == 1
    settings.write_text(text.replace("\n[engine]\n", f"\n{QUICK}") + FAILOVER)
    for name, program in (("drivers/trifid-fence", _wrapper()), ("fence/outlet", FENCE), ("drivers/im-lonely", LONELY)):
        path = made.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(program)
        path.chmod(0o755)
    made.start()
    yield made
    made.stop()


def _wrapper() -> str:
    return f"#!/bin/sh\nexec {sys.executable} -c 'from trifid.drivers.fence.main import main; main()' \"$@\"\n"


@pytest.fixture
def lonely(api: Api) -> int:
    """A host that may be silenced, with another one beside it."""
    return api.monitored_host("node1", im="lonely")


def running(api: Api, host_id: int, template: str = VM) -> int:
    """Return a new VM that runs on a host."""
    vm_id: int = api.call("one.vm.allocate", template, True)
    api.call("one.vm.deploy", vm_id, host_id)
    api.until_state(vm_id, "RUNNING")
    return vm_id


def silence(home: Home) -> None:
    """Nothing is heard of the lonely host any more."""
    os.kill(home.child("im driver lonely"), signal.SIGSTOP)


def host(api: Api, host_id: int) -> dict:
    return next(one for one in api.hosts() if one["ID"] == str(host_id))


def place(api: Api, vm_id: int) -> str:
    return api.call("one.vm.info", vm_id).rpartition("<HID>")[2].partition("<")[0]


def runs_on(api: Api, vm_id: int, host_id: int) -> bool:
    return place(api, vm_id) == str(host_id) and api.state(vm_id) == "RUNNING"


def signs(api: Api, host_id: int) -> dict:
    return json.loads(api.call("trifid.host.signs", host_id))


def story(api: Api, host_id: int) -> list[str]:
    events = json.loads(api.call("trifid.event.list", 0, 0, 1000))["events"]
    return [one["what"] for one in events if one["kind"] == "HOST" and one["object_id"] == host_id]


def test_a_silent_host_is_fenced_and_its_vms_run_elsewhere(home: Home, api: Api, lonely: int) -> None:
    api.call("one.host.update", lonely, "FENCE = [ METHOD = script, PROGRAM = outlet ]", 1)
    vms = [running(api, lonely) for _ in range(3)]
    other = api.monitored_host("node2")
    silence(home)
    for vm_id in vms:
        api.until(
            lambda vm_id=vm_id: place(api, vm_id) == str(other) and api.state(vm_id) == "RUNNING", "it runs there"
        )
    assert host(api, lonely)["TEMPLATE"]["FENCED"] == "YES"
    assert (home.path / "fence" / "asked").read_text().splitlines()[0] == f"off node1 {lonely}"
    assert "confirmed: its power was seen off by script; 3 VMs went on elsewhere" in signs(api, lonely)["fence"]
    with pytest.raises(ApiError, match="must be MONITORED"):
        api.call("one.vm.migrate", vms[0], lonely, True)


def test_without_proof_nothing_moves_until_somebody_gives_his_word(home: Home, api: Api, lonely: int) -> None:
    (home.path / "fence" / "broken").touch()
    api.call("one.host.update", lonely, "FENCE = [ METHOD = script, PROGRAM = outlet ]", 1)
    vm_id = running(api, lonely)
    other = api.monitored_host("node2")
    silence(home)
    api.until(lambda: "the outlet does not answer" in signs(api, lonely)["fence"], "it could not be fenced")
    assert (api.state(vm_id), place(api, vm_id)) == ("UNKNOWN", str(lonely))
    assert host(api, lonely)["TEMPLATE"]["FENCED"] == "NO"
    assert "its VMs stay where they are" in host(api, lonely)["TEMPLATE"]["ERROR"]
    world = home.path / "dummy" / "world.log"
    with world.open("a") as log:
        log.write(f"{vm_id} node1 gone 0\n")  # somebody pulls the plug
    home.run("onehost", "fenced", "node1", "--yes")
    api.until(lambda: runs_on(api, vm_id, other), "it runs there")
    assert "oneadmin says that it is off" in host(api, lonely)["TEMPLATE"]["ERROR"]


def test_a_host_that_shows_signs_of_life_cannot_be_said_to_be_dead(api: Api, lonely: int) -> None:
    vm_id = running(api, lonely)
    with pytest.raises(ApiError, match="shows signs of life"):
        api.call("trifid.host.fenced", lonely)
    assert api.state(vm_id) == "RUNNING"
    assert "FENCED" not in host(api, lonely)["TEMPLATE"]


def test_what_was_asked_before_a_crash_is_done_after_it_and_nothing_twice(home: Home, api: Api, lonely: int) -> None:
    (home.path / "fence" / "broken").touch()
    api.call("one.host.update", lonely, "FENCE = [ METHOD = script, PROGRAM = outlet ]", 1)
    vm_id = running(api, lonely)
    other = api.monitored_host("node2")
    silence(home)
    api.until(lambda: host(api, lonely)["TEMPLATE"].get("FENCED") == "NO", "it is to be fenced")
    mute = home.path / "drivers" / "im-lonely"
    mute.write_text("#!/bin/sh\necho INIT SUCCESS\nexec cat > /dev/null\n")
    os.kill(home.child("im driver lonely"), signal.SIGKILL)
    home.kill()
    (home.path / "fence" / "broken").unlink()
    home.start()
    again = Api(home)
    again.until(lambda: runs_on(again, vm_id, other), "it runs there")
    assert story(again, lonely).count("fence asked") == 1


def is_enabled(api: Api, host_id: int) -> bool:
    """Enable a host, unless it has to report first."""
    try:
        api.call("one.host.status", host_id, 0)
    except ApiError as refused:
        assert "has not reported since" in str(refused)
        return False
    return True


def test_a_host_is_used_again_once_it_is_enabled_and_has_nothing_of_what_went_elsewhere(
    home: Home, api: Api, lonely: int
) -> None:
    api.call("one.host.update", lonely, "FENCE = [ METHOD = script, PROGRAM = outlet ]", 1)
    vm_id = running(api, lonely)
    api.monitored_host("node2")
    silence(home)
    api.until(lambda: host(api, lonely)["TEMPLATE"].get("FENCED") == "YES", "it is fenced")
    api.until(lambda: api.state(vm_id) == "RUNNING", "its VM runs again")
    os.kill(home.child("im driver lonely"), signal.SIGCONT)
    api.until(lambda: signs(api, lonely)["judgement"] == "ALIVE", "it is back")
    assert host(api, lonely)["STATE"] == "3"
    api.until(lambda: is_enabled(api, lonely), "it has reported, and is enabled")
    api.until(lambda: host(api, lonely)["STATE"] == "2", "it is used again")
    assert "FENCED" not in host(api, lonely)["TEMPLATE"]
    assert api.state(vm_id) == "RUNNING"
