from tests.scheduler.builders import datastore_xml, host_xml, vm_xml
from trifid.core.image.datastore import DatastoreType
from trifid.core.vm.files import Files
from trifid.placement import fields
from trifid.placement.reading import datastores, hosts, waiting_vms
from trifid.placement.view import Expression


def test_a_pending_vm_is_read_with_what_it_needs():
    (vm,) = waiting_vms(f"<VM_POOL>{vm_xml(7, cpu='0.5', memory='64', USER_PRIORITY='3', SCHED_MESSAGE='m')}</VM_POOL>")
    assert (vm.id, vm.cpu_percent, vm.memory_mib, vm.priority, vm.message, vm.host_id) == (7, 50, 64, 3.0, "m", -1)


def test_todays_expressions_come_before_those_of_2009():
    (old, new, none) = waiting_vms(
        f"<P>{vm_xml(1, REQUIREMENTS='A = 1', RANK='X')}"
        f"{vm_xml(2, REQUIREMENTS='A = 1', SCHED_REQUIREMENTS='B = 2', SCHED_RANK='Y')}{vm_xml(3)}</P>"
    )
    assert old.requirement == Expression("A = 1", "classic", "REQUIREMENTS")
    assert old.rank.dialect == "classic"
    assert new.requirement == Expression("B = 2", "modern", "SCHED_REQUIREMENTS")
    assert none.requirement.text == ""


def test_a_running_vm_is_wanted_only_when_it_is_to_move():
    history = "<HISTORY><HID>4</HID><VM_MAD>kvm</VM_MAD></HISTORY>"
    running = {"state": 3, "lcm_state": 3, "history": history}
    found = waiting_vms(f"<P>{vm_xml(1, **running)}{vm_xml(2, resched=1, **running)}</P>")
    assert [(vm.id, vm.host_id, vm.vmm) for vm in found] == [(2, 4, "kvm")]


def test_a_vm_whose_capacity_is_no_number_does_not_stop_the_reading():
    assert [vm.id for vm in waiting_vms(f"<P>{vm_xml(1, cpu='x')}{vm_xml(2)}</P>")] == [1, 2]


def test_a_host_has_what_is_not_yet_promised():
    (host,) = hosts(f"<P>{host_xml(3, cpu=400, cpu_used=150, memory_mib=100, memory_used_mib=40, vms=(8, 9))}</P>")
    assert (host.free_cpu_percent, host.free_memory_kib, host.running_vms) == (250, 60 * 1024, 2)
    assert host.vm_ids == {8, 9}


def test_attributes_of_hosts_are_found_wherever_they_stand():
    (host,) = hosts(f"<P>{host_xml(3, cpu_used=100, HYPERVISOR='kvm')}</P>")
    found = {name: host.attributes[name] for name in ("ID", "NAME", "HYPERVISOR", "MAX_CPU", "FREE_CPU")}
    assert found == {"ID": ["3"], "NAME": ["host3"], "HYPERVISOR": ["kvm"], "MAX_CPU": ["400"], "FREE_CPU": ["300"]}


def test_names_of_older_releases_are_understood_unless_a_probe_has_them():
    plain, probed = hosts(f"<P>{host_xml(0)}{host_xml(1, HOSTNAME='node.example')}</P>")
    assert plain.attributes["HOSTNAME"] == ["host0"]
    assert plain.attributes["FREECPU"] == ["400"]
    assert probed.attributes["HOSTNAME"] == ["node.example"]


def test_empty_pools_hold_nothing():
    assert waiting_vms("<VM_POOL></VM_POOL>") == []
    assert hosts("<HOST_POOL></HOST_POOL>") == []


def test_the_disks_of_a_vm_are_read_with_what_they_take():
    disks = [
        {"TYPE": "FS", "SIZE": "10"},
        {"TYPE": "DISK", "CLONE": "YES", "SIZE": "200", "DATASTORE_ID": "1"},
        {"TYPE": "DISK", "CLONE": "NO", "SIZE": "3000", "DATASTORE_ID": "4"},
    ]
    (vm,) = waiting_vms(vm_xml(7, disks=disks))
    assert vm.files == Files(10, 200, 3000, frozenset({1, 4}))


def test_a_datastore_has_what_is_not_yet_promised():
    images, system = datastores(
        f"<P>{datastore_xml(0, total=900, free=500, PROMISED_MB='80', clusters=(0, 4), PRIORITY='3')}"
        f"{datastore_xml(1, kind=0, ds_mad='fs')}</P>"
    )[::-1]
    assert (system.record.type, system.record.cluster_ids, system.free_mib) == (DatastoreType.SYSTEM, (0, 4), 420)
    assert [system.all_of(name) for name in ("FREE_MB", "PRIORITY", "CLUSTERS/ID")] == [["420"], ["3"], ["0", "4"]]
    assert (images.record.type, images.record.ds_mad, images.free_mib) == (DatastoreType.IMAGE, "fs", None)


def test_a_host_tells_the_room_of_its_own_or_none():
    told, silent = hosts(f"<P>{host_xml(0, max_disk=900, free_disk=500, disk_usage=80)}{host_xml(1)}</P>")
    assert (told.free_disk_mib, silent.free_disk_mib) == (420, None)


def test_a_number_of_too_many_digits_counts_as_none():
    assert fields.integer("9" * 5000) == 0
    assert fields.integer("9" * 19, -1) == -1
    assert fields.integer("-12") == -12
