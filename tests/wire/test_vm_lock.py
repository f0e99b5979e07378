"""Locks and scheduled actions in documents, against the schemas of today's API."""

from msgspec.structs import replace

from tests.wire.schemas import valid
from tests.wire.test_bodies import NAMED, vm
from trifid.core.vm.lock import Lock
from trifid.core.vm.schedule import ScheduledAction
from trifid.wire.bodies import vm as vm_body

LOCKED = replace(
    vm(),
    lock=Lock(level=2, uid=7, at=1000, request_id="31"),
    schedule=(
        ScheduledAction(9, 7, "snapshot-create", 2000, "a <b> & ]]>", repeat=0, days=(1, 5), end_type=1, end_value=3),
        ScheduledAction(4, 7, "suspend", 1000, done=1001, message="no <room>", is_over=True),
    ),
)


def test_a_lock_has_its_owner_and_time_in_the_full_document_and_only_its_level_in_the_short_one() -> None:
    full = valid(vm_body.vm_full(LOCKED, NAMED), "vm")
    assert {child.tag: child.text for child in full.find("LOCK")} == {
        "LOCKED": "2",
        "OWNER": "7",
        "TIME": "1000",
        "REQ_ID": "31",
    }
    pool = valid(f"<VM_POOL>{vm_body.vm_pool_entry(LOCKED, NAMED)}</VM_POOL>", "vm_pool")
    assert [child.tag for child in pool.find("VM/LOCK")] == ["LOCKED"]


def test_scheduled_actions_are_ids_beside_the_template_and_vectors_in_it() -> None:
    full = valid(vm_body.vm_full(LOCKED, NAMED), "vm")
    assert [child.text for child in full.find("SCHED_ACTIONS")] == ["4", "9"]
    first, second = full.findall("TEMPLATE/SCHED_ACTION")
    assert (first.findtext("ARGS"), first.findtext("DAYS"), first.findtext("DONE")) == ("a <b> & ]]>", "1,5", "-1")
    assert (second.findtext("MESSAGE"), second.findtext("PARENT_ID")) == ("no <room>", str(LOCKED.id))
    assert full.findtext("TEMPLATE/VMID") == str(LOCKED.id)
