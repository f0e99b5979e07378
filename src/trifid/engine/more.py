"""One more disk, NIC or scheduled action for a VM that exists: checked, numbered and addressed inside one draft."""

from collections.abc import Callable, Mapping

from trifid.core.access import Caller, Right, check
from trifid.core.network.auto import is_undecided
from trifid.core.template.model import Template
from trifid.core.template.prepare import one_more_disk, one_more_nic
from trifid.core.vm.record import VM
from trifid.core.vm.schedule import ACTIONS_MAX, ADMIN_ACTIONS, Calendar, ScheduledAction, scheduled
from trifid.engine.clusters import refuse_device_apart
from trifid.engine.networks import with_leases
from trifid.engine.transaction import Draft
from trifid.engine.used_images import UsedImages
from trifid.errors import Refused

DEVICES_MAX = 256
"""Most disks, and most NICs, of one VM: as many as a template may have."""


def more_disk(draft: Draft, vm: VM, disk: Mapping[str, str], caller: Caller) -> dict[str, str]:
    """Return a further disk of a VM; raises BadTemplate, or Refused when there are too many."""
    _refuse_too_many(vm, "DISK", DEVICES_MAX, len(vm.template.vectors("DISK")))
    images = UsedImages(draft, caller, vm.id, may_wait=False)
    made = one_more_disk(dict(disk), vm.template, next_id=vm.next_disk_id, disk_of_image=images.disk)
    refuse_device_apart(draft, vm, ("DISK", made))
    return made


def more_nic(
    draft: Draft, vm: VM, nic: Mapping[str, str], caller: Caller, network_for: Callable[[dict[str, str]], int]
) -> dict[str, str]:
    """Return a further NIC of a VM, with a lease that is taken in the draft if it names a network or takes any.

    Args:
        network_for: returns the id of the network for one that takes any; raises Refused.

    Raises:
        BadTemplate, NotAllocated, NoLease, Refused: as at submission.
    """
    _refuse_too_many(vm, "NIC", DEVICES_MAX, len(vm.template.vectors("NIC")))
    made = one_more_nic(dict(nic), vm.template)
    if is_undecided(made):
        made["NETWORK_ID"] = str(network_for(made))
    nics = Template((("NIC", made),))
    filled = with_leases(draft, caller, nics, vm.id, int(made["NIC_ID"])).vector("NIC")
    refuse_device_apart(draft, vm, ("NIC", filled))
    return filled


def one_more_action(
    draft: Draft, vm: VM, vector: Mapping[str, str], caller: Caller, calendar: Calendar
) -> ScheduledAction:
    """Return a further scheduled action of a VM, for whoever may do now what it does later.

    Raises:
        BadTemplate: an attribute of it cannot be taken.
        NotAllowed: the caller may not do that.
        Refused: there are too many.
    """
    _refuse_too_many(vm, "SCHED_ACTION", ACTIONS_MAX, len(vm.schedule))
    one = scheduled(
        vector, action_id=draft.next_id("sched"), uid=caller.uid, start=vm.stime, now=draft.now, calendar=calendar
    )
    check_action(vm, one, caller)
    return one


def check_action(vm: VM, one: ScheduledAction, caller: Caller) -> None:
    """Raise NotAllowed unless the caller may do what is scheduled."""
    check(caller, Right.ADMIN if one.action in ADMIN_ACTIONS else Right.MANAGE, "VM", vm)


def _refuse_too_many(vm: VM, name: str, most: int, present: int) -> None:
    if present >= most:
        raise Refused(f"VM {vm.id} has {present} {name}s, {most} are the most: remove one first", vm.id)
