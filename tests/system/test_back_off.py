"""A host on which every VM fails, beside one that works."""

import pytest

from tests.system.home import Api, Home
from trifid.wire.elements import several

BAD_DRIVER = """
[drivers.vmm.bad]
executable = "trifid-vmm-dummy"
arguments = "--fail DEPLOY=1:broken"
"""
RECREATE = 4


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home")
    path = home.path / "trifid.toml"
    path.write_text(path.read_text() + BAD_DRIVER)
    home.start()
    yield home
    home.stop()


def test_vms_that_failed_on_a_bad_host_run_on_another_and_then_the_host_is_left_out_for_all(home):
    api = Api(home)
    bad, good = api.monitored_host("bad", vmm="bad"), api.monitored_host("good")
    api.call("one.host.update", bad, "PRIORITY=9", 1)

    def submit() -> int:
        return api.call("one.vm.allocate", 'CPU=1\nMEMORY=64\nSCHED_RANK="PRIORITY"', False)

    def host_of(vm_id: int) -> str:
        return several(api.vm(vm_id)["HISTORY_RECORDS"]["HISTORY"])[-1]["HID"]

    failed = [submit() for _ in range(3)]
    for vm_id in failed:
        api.until_state(vm_id, "BOOT_FAILURE")
        assert host_of(vm_id) == str(bad)
    for vm_id in [*failed, submit()]:
        if vm_id in failed:
            api.call("one.vm.recover", vm_id, RECREATE)
        api.until_state(vm_id, "RUNNING")
        assert host_of(vm_id) == str(good)
    assert f"host {bad}  left out for 60 s" in (home.path / "log" / "scheduler.log").read_text()
