"""A view with VMs put on hosts: the same as what the API would tell once they were there."""

from msgspec.structs import replace

from tests.placement.test_place import view
from tests.scheduler.builders import datastore_xml, host_xml
from trifid.placement.reading import datastores, hosts
from trifid.placement.view import View
from trifid.placement.what_if import after

DISK = ({"TYPE": "fs", "SIZE": "100"},)


def test_a_host_is_as_if_the_vm_were_there_already():
    seen = view([{"id": 7, "cpu": "1.5", "memory": 512}, {"id": 8}], [{"vms": (3,)}, {}])
    (vm, _) = seen.vms
    later = after(seen, [(vm, 0, 0)])
    (expected,) = hosts(f"<P>{host_xml(0, vms=(3, 7), cpu_used=150, memory_used_mib=512)}</P>")
    assert later.hosts == (expected, seen.hosts[1])
    assert [one.id for one in later.vms] == [8]


def test_a_vm_that_moves_is_placed_where_it_went_and_nowhere_else():
    seen = replace(view([{"id": 7, "cpu": "1"}], [{}, {}]), now=50)
    (vm,) = seen.vms
    moving = replace(vm, vm_group_id=3, role="db")
    later = after(after(seen, [(moving, 0, 0)]), [(moving, 1, 0)])
    (placed,) = later.placed
    assert (placed.id, placed.host_id, placed.vm_group_id, placed.role, placed.since) == (7, 1, 3, "db", 50)


def test_room_is_taken_from_the_datastore_that_all_share():
    seen = view([{"disks": DISK}], [{}])
    seen = View(seen.vms, seen.hosts, tuple(datastores(datastore_xml(0, total=500, free=300))))
    (later,) = after(seen, [(seen.vms[0], 0, 0)]).datastores
    assert (later.free_mib, later.all_of("FREE_MB")) == (200, ["200"])


def test_room_in_an_unshared_datastore_is_taken_from_the_host():
    seen = view([{"disks": DISK}], [{"max_disk": 500, "free_disk": 300}, {}])
    seen = View(seen.vms, seen.hosts, tuple(datastores(datastore_xml(0, tm="ssh", total=500, free=300))))
    later = after(seen, [(seen.vms[0], 0, 0)])
    assert (later.hosts[0].free_disk_mib, later.datastores) == (200, seen.datastores)
    assert after(seen, [(seen.vms[0], 1, 0)]).hosts[1].free_disk_mib is None


def test_a_place_that_is_not_there_only_ends_the_waiting():
    seen = view([{}], [{}])
    assert after(seen, [(seen.vms[0], 99, 0)]) == replace(seen, vms=())
