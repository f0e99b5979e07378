"""Explanations and dry runs of a whole engine: the tour of docs/explain.md, and what the scheduler does then."""

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.system.home import Api

PAGE = Path(__file__).parents[2] / "docs" / "explain.md"
MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")
WHY = "2026-11-25 12:00 host-1 [0] of 1 that fit (1 hosts): striping - RUNNING_VMS = 0"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def steps():
    """Yield (command, what the page says it prints)."""
    for text in blocks("console"):
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, _, printed = part.partition("\n")
            yield command, printed


def test_the_tour_of_the_page_prints_what_the_page_says(home, api):
    for name in ("host-1", "host-2"):
        api.monitored_host(name)
    for command, printed in steps():
        done = home.run(*command.split(), status=255 if " no   -" in printed and "--dry-run" in command else 0)
        # What the scheduler wrote meanwhile may stand there as well.
        told = [line for line in done.stdout.splitlines() if not line.startswith("SCHEDULER")]
        assert [MOMENT.sub("then", line) for line in told] == [
            MOMENT.sub("then", line) for line in printed.splitlines()
        ]
    (program,) = blocks("python")
    said = subprocess.run(
        [sys.executable, "-c", program], env=home.environment, capture_output=True, text=True, check=True, timeout=60
    )
    first, *others = said.stdout.splitlines()
    assert first == "3 of 4 would fit; 1 would not: if host-2 were enabled it would fit on host-2"
    assert others == ["small True host-1 "] * 3 + ["VM 0 False  if host-2 were enabled it would fit on host-2"]


def test_the_host_that_is_told_is_the_one_that_is_taken(home, api):
    for name in ("host-1", "host-2", "host-3"):
        api.monitored_host(name)
    text = 'NAME=web\nCPU=1\nMEMORY=64\nSCHED_RANK="ID"'
    (result,) = json.loads(api.call("trifid.placement.dry_run", json.dumps({"vms": [{"template": text}]})))["results"]
    vm_id = api.call("one.vm.allocate", text, False)
    api.until_state(vm_id, "RUNNING")
    assert api.vm(vm_id)["HISTORY_RECORDS"]["HISTORY"]["HOSTNAME"] == result["host"] == "host-3"


def test_a_decision_outlives_the_engine_and_is_shown(stopped):
    stopped.settings("[scheduler]\n", "[scheduler]\nenabled = false\n")
    stopped.start()
    api = Api(stopped)
    host_id = api.monitored_host("host-1")
    vm_id = api.call("one.vm.allocate", "NAME=web\nCPU=1\nMEMORY=64", False)
    api.call("trifid.vm.place", vm_id, host_id, -1, WHY)
    api.until_state(vm_id, "RUNNING")
    stopped.kill()
    stopped.start()
    assert f"PLACED              : {WHY}" in stopped.run("onevm", "show", "web").stdout
    assert f"DECISION            : {WHY}" in stopped.run("onevm", "explain", "web").stdout
