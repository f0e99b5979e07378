"""Schedulers of one's own with a real engine: the examples of the manual at work."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.home import Api, Home
from trifid.placement.recorded import unpack
from trifid.scheduler.recorder import recorded

EXAMPLES = Path(__file__).parents[2] / "examples" / "schedulers"
VM = 'NAME="vm-{}"\nCPU=1\nMEMORY={}\nSCHED_REQUIREMENTS="HYPERVISOR != \\"none\\""\n'
PROGRAMS = ["fewest.py", "first-fit.sh"]


def host_of(api: Api, vm_id: int) -> int:
    return int(api.vm(vm_id)["HISTORY_RECORDS"]["HISTORY"]["HID"])


def submit(api: Api, count: int) -> list[int]:
    return [api.call("one.vm.allocate", VM.format(n, 64 + n)) for n in range(count)]


def test_no_example_is_longer_than_60_lines():
    for path in EXAMPLES.iterdir():
        assert len(path.read_text().splitlines()) < 60


def test_the_example_that_takes_over_tells_how_it_is_called():
    told = subprocess.run([sys.executable, EXAMPLES / "roomiest.py"], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (1, "usage: roomiest.py ENDPOINT AUTH_FILE\n")


FILTER = """
from trifid.placement.filters import Filter

class Breaks(Filter):
    name = "breaks"

    def mask(self, vm, table):
        raise ValueError("no sensor answers")
"""


def test_a_filter_that_breaks_off_ends_the_scheduler_with_its_name_and_no_more(stopped: Home, monkeypatch):
    (stopped.path / "mine_breaks.py").write_text(FILTER)
    paths = [str(stopped.path), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    stopped.settings("#enabled = true", 'filters = ["mine_breaks:Breaks"]')
    stopped.start()
    api = Api(stopped)
    api.monitored_host("node0")
    submit(api, 1)
    log = stopped.path / "log" / "scheduler.log"
    api.until(lambda: "Error:" in log.read_text(), "the filter has broken off")
    daemon = stopped.path / "log" / "trifidd.log"
    api.until(lambda: "scheduler is down: it ended with" in daemon.read_text(), "the scheduler has ended")
    assert "it ended with exit status 1," in daemon.read_text()
    told = log.read_text()
    assert 'filter "mine_breaks:Breaks" failed on VM 0: ValueError: no sensor answers (' in told
    assert "Traceback" not in told
    assert "Fatal" not in told


def test_a_scheduler_of_ones_own_takes_over_through_the_api(stopped: Home):
    stopped.settings("#enabled = true", "enabled = false")
    stopped.start()
    assert "scheduler" not in [name for name, pid in stopped.children().items() if pid]
    api = Api(stopped)
    hosts = {api.monitored_host(f"node{n}") for n in range(2)}
    early = submit(api, 1)
    endpoint = f"http://127.0.0.1:{stopped.port}/RPC2"
    program = subprocess.Popen([sys.executable, EXAMPLES / "roomiest.py", endpoint, stopped.path / "one_auth"])
    try:
        api.until_state(early[0], "RUNNING")
        late = submit(api, 4)  # the program waits for news by now, or will in a moment
        for vm_id in late:
            api.until_state(vm_id, "RUNNING")
    finally:
        program.kill()
        program.wait()
    assert {host_of(api, vm_id) for vm_id in early + late} == hosts


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_decides_for_the_scheduler(stopped: Home, name: str):
    stopped.settings(
        "# Drivers: [drivers.FAMILY",
        f'[scheduler.executable]\ncommand = ["{EXAMPLES / name}"]\n\n# Drivers: [drivers.FAMILY',
    )
    stopped.start()
    api = Api(stopped)
    for n in range(2):
        api.monitored_host(f"node{n}")
    vms = submit(api, 4)
    too_large = api.call("one.vm.allocate", "CPU=1000\nMEMORY=64\n")
    for vm_id in vms:
        api.until_state(vm_id, "RUNNING")
    api.until(
        lambda: "room" in str((api.vm(too_large)["USER_TEMPLATE"] or {}).get("SCHED_MESSAGE")), "the reason is told"
    )
    assert "the policy decides" not in (stopped.path / "log" / "scheduler.log").read_text()
    decisions = [unpack(path.read_bytes()) for path in recorded(stopped.path / "decisions")]
    assert {decision.by for decision in decisions} == {str(EXAMPLES / name)}
    assert sorted(placed[0] for decision in decisions for placed in decision.plan.placements) == vms


def test_decisions_are_recorded_and_can_be_replayed(stopped: Home):
    stopped.start()
    api = Api(stopped)
    api.monitored_host("node0")
    (vm_id,) = submit(api, 1)
    api.until_state(vm_id, "RUNNING")
    api.until(lambda: recorded(stopped.path / "decisions"), "the decision is written")
    (row, *_) = [
        row for row in json.loads(stopped.run("trifid", "sched", "decisions", "--json").stdout) if row["placed"]
    ]
    said = stopped.run("trifid", "sched", "replay", str(row["number"])).stdout
    assert "Nothing is different: VMs that go to the same host: 1." in said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('polcy = "packing"', '[scheduler] has no key "polcy" (did you mean "policy"?)'),
        ('policy = "pakking"', 'there is no policy "pakking" (did you mean "packing"?)'),
    ],
)
def test_an_engine_does_not_start_with_settings_that_its_scheduler_would_refuse(stopped: Home, line: str, said: str):
    stopped.settings('#policy = "striping"', line)
    started = stopped.run("trifid", "start", status=1)
    assert said in started.stderr
