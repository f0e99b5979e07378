"""From a template to a VM that waits for a host: validated, numbered, addressed, inside one draft."""

import msgspec
from msgspec.structs import replace

from trifid.core.access import Caller
from trifid.core.template.model import Template
from trifid.core.template.prepare import prepare
from trifid.core.template.validate import NAME_LENGTH_MAX
from trifid.core.vm.record import VM
from trifid.core.vm.schedule import Calendar
from trifid.engine.clusters import refuse_nowhere
from trifid.engine.context import with_context
from trifid.engine.displays import with_password
from trifid.engine.first_permissions import first_permissions
from trifid.engine.limits import Limits, refuse_restricted
from trifid.engine.more import one_more_action
from trifid.engine.networks import with_leases
from trifid.engine.transaction import Draft
from trifid.engine.used_files import files_of
from trifid.engine.used_images import UsedImages, first_state, next_disk_id, snapshots_of_images
from trifid.engine.vm_groups import in_group


class Submission(msgspec.Struct, frozen=True):
    """What somebody wants to run.

    Attributes:
        template: as written.
        hold: wait in HOLD instead of PENDING.
        limits: what callers who are no administrators may not ask.
        calendar: for scheduled actions.
        is_vetted: what only administrators may ask was looked at already, as for a kept template.
        named_after: what the VM is called, before `-` and its id, when its template gives no name.
    """

    caller: Caller
    template: Template
    hold: bool
    mac_prefix: str
    limits: Limits
    calendar: Calendar | None = None
    is_vetted: bool = False
    named_after: str = "one"


def submit(draft: Draft, submission: Submission) -> int:
    """Make the VM, take its leases, and return its id; nothing is kept when anything is refused.

    Raises:
        BadTemplate, NoLease, NotAllowed: with the attribute and what was expected.
    """
    caller = submission.caller
    if not submission.is_vetted:
        refuse_restricted(caller, submission.template, submission.limits)
    vm_id = draft.next_id("vm")
    prepared = prepare(submission.template, disk_of_image=UsedImages(draft, caller, vm_id).disk)
    template = with_leases(draft, caller, prepared.template, vm_id)
    template = with_password(in_group(draft, caller, template))
    refuse_nowhere(draft, template)
    files = files_of(draft, caller, template)
    name = prepared.name or f"{submission.named_after[: NAME_LENGTH_MAX - len(str(vm_id)) - 1]}-{vm_id}"
    vm = VM(
        id=vm_id,
        uid=caller.uid,
        gid=caller.gid,
        permissions=first_permissions(draft, caller),
        name=name,
        state=first_state(draft, template, files, submission.hold),
        needs=prepared.needs,
        stime=draft.now,
        template=template.replacing("VMID", str(vm_id)),
        user_template=prepared.user_template,
        disk_snapshots=snapshots_of_images(draft, template),
        files=files,
        next_disk_id=next_disk_id(template),
    )
    vm = replace(vm, template=with_context(draft, vm, caller))
    vm = _with_schedule(draft, vm, submission)
    draft.put(vm)
    draft.note("VM", vm_id, caller, "allocated", new=vm.state.name, text=name)
    return vm_id


def _with_schedule(draft: Draft, vm: VM, submission: Submission) -> VM:
    """Return the VM with the SCHED_ACTIONs of its template in its schedule; raises as `one_more_action` does."""
    vectors = vm.user_template.vectors("SCHED_ACTION")
    if not vectors:
        return vm
    assert submission.calendar is not None
    vm = replace(vm, user_template=vm.user_template.without("SCHED_ACTION"))
    for vector in vectors:
        one = one_more_action(draft, vm, vector, submission.caller, submission.calendar)
        vm = replace(vm, schedule=(*vm.schedule, one))
    return vm
