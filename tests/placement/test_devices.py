"""PCI devices in placement: read from documents, and given once within a plan."""

import pytest

from tests.placement.test_place import placed, plan, reason
from tests.scheduler.builders import history_xml, host_xml, vm_xml
from trifid.core.pci import Device
from trifid.placement.reading import hosts, waiting_vms

GPU = {"VENDOR": "10de", "DEVICE": "1eb8"}


def device(number, vm_id=-1, kind="10de:1eb8:0302"):
    return {"ADDRESS": f"0000:0{number}:00.0", "TYPE": kind, "VMID": vm_id}


def test_a_host_has_the_devices_that_no_vm_has():
    (host,) = hosts(f"<P>{host_xml(0, pci=[device(1, 7), device(2)])}</P>")
    assert host.devices == (Device("10de", "1eb8", "0302", "0000:02:00.0"),)


def test_a_waiting_vm_is_read_with_its_wishes():
    (vm,) = waiting_vms(f"<P>{vm_xml(0, pci=[GPU, {'SHORT_ADDRESS': '3b:00.0', 'PCI_ID': '1'}])}</P>")
    assert vm.devices == (Device("10de", "1eb8"), Device(address="3b:00.0"))


def test_one_that_moves_does_not_ask_for_the_address_that_it_has():
    has = {**GPU, "ADDRESS": "0000:01:00.0", "SHORT_ADDRESS": "01:00.0", "DOMAIN": "0000"}
    named = {"ADDRESS": "0000:02:00.0", "SHORT_ADDRESS": "02:00.0", "DOMAIN": "0000"}
    text = vm_xml(0, state=3, lcm_state=3, resched=1, history=history_xml(4), pci=[has, named])
    (vm,) = waiting_vms(f"<P>{text}</P>")
    assert vm.devices == (Device("10de", "1eb8"), Device(address="0000:02:00.0"))


def test_a_vm_goes_where_its_device_is_free():
    machines = [{}, {"pci": [device(1, 7)]}, {"pci": [device(1, kind="8086:1520:0200")]}, {"pci": [device(1)]}]
    assert placed([{"pci": [GPU]}], machines) == {0: 3}


def test_a_device_is_given_once_within_a_plan():
    two = {"pci": [device(1), device(2)]}
    assert placed([{"pci": [GPU]}] * 5, [two, two], "packing") == {0: 0, 1: 0, 2: 1, 3: 1}
    assert placed([{"pci": [GPU, GPU]}] * 3, [two, two]) == {0: 0, 1: 1}


def test_wishes_of_different_vms_take_from_the_same_devices():
    wishes = [{"pci": [{"SHORT_ADDRESS": "02:00.0"}]}, {"pci": [GPU]}, {"pci": [{"VENDOR": "10de"}]}]
    assert placed(wishes, [{"pci": [device(1), device(2)]}]) == {0: 0, 1: 0}


def test_vms_that_wish_none_are_not_kept_out_by_those_that_do():
    assert placed([{"pci": [GPU]}, {}, {"pci": [GPU]}, {}], [{"pci": [device(1)]}]) == {0: 0, 1: 0, 3: 0}


@pytest.mark.parametrize(
    ("wishes", "told"),
    [
        ([GPU], "3 hosts, 3 lack a PCI device 10de:1eb8 (0 free)"),
        ([{"VENDOR": "8086"}] * 2, "3 hosts, 3 lack a PCI device 8086:* (needs 2, best has 1 free)"),
        ([{"SHORT_ADDRESS": "07:00.0"}], "3 hosts, 3 lack a PCI device at 07:00.0 (0 free)"),
        (
            [{"VENDOR": "8086"}, {"SHORT_ADDRESS": "01:00.0"}],
            "3 hosts, 3 lack a PCI device at 01:00.0 beside its others (1 free)",
        ),
    ],
)
def test_what_hosts_lack_is_told(wishes, told):
    nic = {"pci": [device(1, kind="8086:1520:0200")]}
    assert reason({"pci": wishes}, {}, {"pci": [device(1, 7)]}, nic).endswith(told)


def test_hosts_that_are_out_for_another_reason_are_counted_for_that():
    text = reason({"pci": [GPU]}, {"state": 4}, {"cpu": 50, "pci": [device(1)]}, {})
    assert text.endswith("3 hosts, 1 lacks CPU (needs 1 cores, best has 0.5 free), "
                         "1 lacks a PCI device 10de:1eb8 (0 free), 1 is disabled (onehost enable)")  # fmt: skip


def test_reasons_are_each_vms_own():
    result = plan([{"pci": [GPU]}, {"pci": [{"VENDOR": "8086"}]}, {"pci": [GPU]}], [{"pci": [device(1)]}])
    assert result.refusals[1].endswith("1 lacks a PCI device 8086:* (0 free)")
    assert result.refusals[2].endswith("1 lacks a PCI device 10de:1eb8 (0 free)")
