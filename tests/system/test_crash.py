"""The power fails: whatever was acknowledged is there, and every VM goes on where it was."""

import pytest

from tests.system.home import Api, Home


def test_a_vm_that_was_booting_is_adopted(stopped: Home) -> None:
    stopped.settings('executable = "trifid-vmm-dummy"', 'executable = "trifid-vmm-dummy"\narguments = "--delay 1.5"')
    stopped.start()
    api = Api(stopped)
    host_id = api.monitored_host("node1")
    vm_id = api.call("one.vm.allocate", "CPU=1\nMEMORY=64", True)
    api.call("one.vm.deploy", vm_id, host_id, True)
    api.until_state(vm_id, "BOOT")
    stopped.kill()

    stopped.start()
    api = Api(stopped)
    assert api.state(vm_id) in ("BOOT", "RUNNING")
    api.until_state(vm_id, "RUNNING")
    records = api.vm(vm_id)["HISTORY_RECORDS"]["HISTORY"]
    assert isinstance(records, dict) and records["HID"] == str(host_id), "one stay, on the host it was sent to"


@pytest.mark.parametrize("number", range(3))
def test_no_acknowledged_call_is_lost_and_nothing_stays_in_between(stopped: Home, number: int) -> None:
    stopped.start()
    api = Api(stopped)
    for n in range(4):
        api.monitored_host(f"node{n}")
    acknowledged = [api.call("one.vm.allocate", f"NAME=vm{n}\nCPU=0.1\nMEMORY=16", False) for n in range(40)]
    stopped.kill()  # while the scheduler is sending them to hosts

    stopped.start()
    api = Api(stopped)
    for vm_id in acknowledged:
        api.until_state(vm_id, "RUNNING")
    for vm_id in acknowledged[:20]:
        api.call("one.vm.action", "terminate", vm_id)
    stopped.kill()  # while they shut down

    stopped.start()
    api = Api(stopped)
    for vm_id in acknowledged[:20]:
        api.until_state(vm_id, "DONE")
    assert {api.state(vm_id) for vm_id in acknowledged[20:]} == {"RUNNING"}
    carried = sorted(int(one) for host in api.hosts() for one in _ids(host))
    assert carried == sorted(acknowledged[20:]), "each VM is on exactly one host, and the ended ones on none"


def _ids(host: dict) -> list[str]:
    found = host["VMS"]["ID"] if isinstance(host["VMS"], dict) else []
    return found if isinstance(found, list) else [found]


def test_a_driver_that_is_killed_is_started_again_and_finishes_its_work(stopped: Home) -> None:
    import os
    import signal

    stopped.settings('executable = "trifid-vmm-dummy"', 'executable = "trifid-vmm-dummy"\narguments = "--delay 1.0"')
    stopped.start()
    api = Api(stopped)
    host_id = api.monitored_host("node1")
    vm_id = api.call("one.vm.allocate", "CPU=1\nMEMORY=64", True)
    api.call("one.vm.deploy", vm_id, host_id, True)
    api.until_state(vm_id, "BOOT")
    os.kill(stopped.child("vmm driver dummy"), signal.SIGKILL)
    api.until_state(vm_id, "RUNNING")


def test_a_second_engine_is_kept_out_of_a_home(home: Home) -> None:
    done = home.run("trifidd", "--home", str(home.path), status=1)
    assert "another engine runs from" in done.stderr
