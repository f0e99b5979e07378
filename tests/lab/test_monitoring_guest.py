"""What a real guest uses: measured by libvirt, kept, drawn, and growing with what is done to it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.conftest import Guest
from tests.lab.guests import NETWORK, fetch, template, until_serving
from tests.system.home import Api, Home, engine

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def home(tmp_path: Path, bridge: str) -> Iterator[Home]:
    """An engine with the libvirt drivers that looks every two seconds."""
    with engine(tmp_path / "home", drivers="libvirt") as started:
        started.stop()
        started.settings("#monitoring_interval_s = 30", "monitoring_interval_s = 2")
        started.start()
        yield started


def samples(api: Api, kind: str, object_id: int) -> list[dict]:
    """Return the figures of all samples, oldest first."""
    told = json.loads(api.call(f"trifid.{kind}.monitoring", object_id, 0, -1))
    return [one["figures"] for one in told["samples"]]


def test_a_guest_and_its_host_are_measured(home: Home, guest: Guest) -> None:
    api = Api(home)
    host_id = api.monitored_host("localhost", "qemu", "qemu")
    api.call("one.vn.allocate", NETWORK, -1)
    vm_id = api.call("one.vm.allocate", template(guest, "web1"))
    api.until_state(vm_id, "RUNNING")
    until_serving(api, "10.0.0.1")
    busy = api.until(
        lambda: [one for one in samples(api, "vm", vm_id) if one.get("CPU", 0) > 0 and one.get("NETTX", 0) > 0],
        "the guest is measured",
    )
    assert busy[-1]["MEMORY"] > 16 * 1024
    assert busy[-1]["DISKRDBYTES"] > 0

    before = samples(api, "vm", vm_id)[-1]["NETTX"]
    sent = sum(len(fetch("10.0.0.1", "/context.txt")) for _ in range(20))
    api.until(lambda: samples(api, "vm", vm_id)[-1]["NETTX"] >= before + sent, "what it sent is counted")
    assert samples(api, "host", host_id)[-1]["USED_MEMORY"] > 0
    drawn = home.run("onevm", "monitoring", "web1", "--since", "5m").stdout
    assert "CPU: now" in drawn
    assert "NETTX, growth each second: now" in drawn
    assert "USED_CPU: now" in home.run("onehost", "monitoring", "localhost").stdout

    home.run("onevm", "terminate", str(vm_id), "--hard", "--wait")
    assert samples(api, "vm", vm_id), "what a finished VM used can still be looked at"
