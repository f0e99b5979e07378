"""The document of a VM group: against the schema of today's API, and read back as programs that place VMs do."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.vm_group.builders import GROUPS, NAMES, group, roles
from tests.wire.schemas import valid
from tests.wire.test_bodies import NAMED
from trifid.core.vm.lock import Lock
from trifid.wire.bodies.vm_group import vm_group
from trifid.wire.elements import one_element
from trifid.wire.vm_group_reading import read_group, read_members


@given(made=GROUPS, vms=st.dictionaries(st.sampled_from(NAMES), st.sets(st.integers(0, 99), min_size=1)))
def test_what_is_told_of_a_group_is_read_as_it_is(made, vms):
    document = vm_group(made, NAMED, vms)
    valid(document, "vm_group")
    element = one_element(document, "VM_GROUP")
    read = read_group(element)
    for name in ("id", "uid", "gid", "name", "roles"):
        assert getattr(read, name) == getattr(made, name)
    assert sorted(map(sorted, read.rules("AFFINED"))) == sorted(map(sorted, made.rules("AFFINED")))
    assert sorted(map(sorted, read.rules("ANTI_AFFINED"))) == sorted(map(sorted, made.rules("ANTI_AFFINED")))
    members = read_members(element)
    assert all(members[vm_id] in vms and vm_id in vms[members[vm_id]] for vm_id in members)
    assert members.keys() == {vm_id for ids in vms.values() for vm_id in ids}


def test_how_roles_are_spread_is_read_as_it_is():
    made = group(
        f"{roles(a='', b='')}\nSPREAD = [ ROLE = a, OVER = RACK, MAX_SKEW = 1 ]\nSPREAD = [ ROLE = b, OVER = HOST ]"
    )
    assert read_group(one_element(vm_group(made, NAMED, {}), "VM_GROUP")).spreads() == made.spreads()


def test_a_group_is_told_with_its_lock_and_without_what_is_empty():
    made = replace(group(roles(web="NONE")), lock=Lock(2, 9, 100, "5"))
    found = valid(vm_group(made, NAMED, {}), "vm_group")
    assert found.findtext("LOCK/OWNER") == "9"
    assert [one.tag for one in found.find("ROLES/ROLE")] == ["ID", "NAME"]
