"""PCI devices through a real engine with dummy drivers: told, given by the scheduler, given back."""

import pytest

from tests.system.home import Api, Home

TEMPLATE = 'NAME = gpu\nCPU = 0.1\nMEMORY = 64\nPCI = [ VENDOR = "10de", CLASS = "0302" ]'
REPORTS = 'executable = "trifid-im-dummy"'


@pytest.fixture
def api(stopped: Home) -> Api:
    """An engine whose hosts have two GPUs each."""
    stopped.settings(REPORTS, f'{REPORTS}\narguments = "--pci 10de:1eb8:0302=2,8086:1520:0200=1"')
    stopped.start()
    return Api(stopped)


def owners(api: Api) -> dict[tuple[str, str], str]:
    """Return (host, address) to the VM that has the device, as hosts tell it."""
    return {
        (host["NAME"], device["ADDRESS"]): device["VMID"]
        for host in api.hosts()
        for device in host["HOST_SHARE"]["PCI_DEVICES"]["PCI"]
        if device["VMID"] != "-1"
    }


def devices(api: Api, vm_id: int) -> tuple[str, str]:
    """Return the host of a VM and the device that it tells."""
    vm = api.vm(vm_id)
    records = vm["HISTORY_RECORDS"]["HISTORY"]
    last = records[-1] if isinstance(records, list) else records
    return last["HOSTNAME"], vm["TEMPLATE"]["PCI"].get("ADDRESS", "")


def message(api: Api, vm_id: int) -> str:
    found: str = api.vm(vm_id)["USER_TEMPLATE"].get("SCHED_MESSAGE", "")
    return found


def test_devices_are_given_by_the_scheduler_and_the_next_vm_gets_one_that_is_given_back(api: Api) -> None:
    for name in ("node1", "node2"):
        api.monitored_host(name)
    vm_ids = [api.call("one.vm.allocate", TEMPLATE, False) for _ in range(5)]
    *four, fifth = vm_ids
    for vm_id in four:
        api.until_state(vm_id, "RUNNING")
    assert owners(api) == {devices(api, vm_id): str(vm_id) for vm_id in four}
    api.until(lambda: message(api, fifth), "the fifth VM is told why it waits")
    assert "2 lack a PCI device 10de:*:0302 (0 free)" in message(api, fifth)
    with pytest.raises(Exception, match=r"Unavailable PCI device\. Host node1"):
        api.call("one.vm.deploy", fifth, 0)
    place = devices(api, four[2])
    api.call("one.vm.action", "poweroff", four[2])
    api.until_state(fifth, "RUNNING")
    assert devices(api, fifth) == place
    assert devices(api, four[2])[1] == ""
    with pytest.raises(Exception, match=f"Unavailable PCI device.*VM {fifth} has"):
        api.call("one.vm.action", "resume", four[2])


def test_a_vm_that_is_moved_has_a_device_of_its_new_host(api: Api) -> None:
    first, second = (api.monitored_host(name) for name in ("node1", "node2"))
    vm_id = api.call("one.vm.allocate", TEMPLATE, True)
    blocker = api.call("one.vm.allocate", TEMPLATE.replace("CLASS", "DEVICE").replace("0302", "1eb8"), True)
    for one, host_id in ((vm_id, first), (blocker, second)):
        api.call("one.vm.deploy", one, host_id)
        api.until_state(one, "RUNNING")
    assert devices(api, vm_id) == ("node1", "0000:01:00.0")
    with pytest.raises(Exception, match="cannot move live"):
        api.call("one.vm.migrate", vm_id, second, True)
    api.call("one.vm.migrate", vm_id, second, False, False, -1, 1)
    api.until(lambda: devices(api, vm_id)[0] == "node2", "it is on its way")
    api.until_state(vm_id, "RUNNING")
    assert devices(api, vm_id) == ("node2", "0000:01:01.0")
    assert set(owners(api).values()) == {str(vm_id), str(blocker)}
    api.call("one.vm.action", "terminate-hard", vm_id)
    api.until_state(vm_id, "DONE")
    assert owners(api) == {("node2", "0000:01:00.0"): str(blocker)}


def test_devices_are_still_given_after_a_power_cut(api: Api, stopped: Home) -> None:
    host_id = api.monitored_host("node1")
    vm_id = api.call("one.vm.allocate", TEMPLATE, True)
    api.call("one.vm.deploy", vm_id, host_id)
    api.until_state(vm_id, "RUNNING")
    before = owners(api)
    stopped.kill()
    stopped.start()
    assert owners(Api(stopped)) == before == {("node1", "0000:01:00.0"): str(vm_id)}
