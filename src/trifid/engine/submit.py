"""From a template to a VM that waits for a host: validated, numbered, addressed, inside one draft."""

from collections.abc import Collection
from urllib.parse import unquote

import msgspec
from msgspec.structs import replace

from trifid.core.access import Caller
from trifid.core.template.model import Template, Value
from trifid.core.template.prepare import prepare
from trifid.core.template.validate import NAME_LENGTH_MAX, file_paths, restricted
from trifid.core.vm.record import VM
from trifid.core.vm.schedule import Calendar
from trifid.engine.clusters import refuse_nowhere
from trifid.engine.context import with_context
from trifid.engine.displays import with_password
from trifid.engine.more import one_more_action
from trifid.engine.networks import with_leases
from trifid.engine.transaction import Draft
from trifid.engine.used_files import files_of
from trifid.engine.used_images import UsedImages, first_state, next_disk_id, snapshots_of_images
from trifid.engine.vm_groups import in_group
from trifid.errors import NotAllowed


class Submission(msgspec.Struct, frozen=True):
    """What somebody wants to run.

    Attributes:
        template: as written.
        hold: wait in HOLD instead of PENDING.
        user_paths: where the files lie that callers who are no administrators may name.
        calendar: for scheduled actions.
        is_vetted: what only administrators may ask was looked at already, as for a kept template.
        named_after: what the VM is called, before `-` and its id, when its template gives no name.
    """

    caller: Caller
    template: Template
    hold: bool
    mac_prefix: str
    user_paths: tuple[str, ...] = ()
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
        refuse_restricted(caller, submission.template, submission.user_paths)
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


def refuse_restricted(
    caller: Caller, template: Template, user_paths: tuple[str, ...], vetted: Collection[tuple[str, Value]] = ()
) -> None:
    """Raise NotAllowed for what only administrators may ask; a file that a template names is read as the engine.

    Args:
        vetted: what of the template the caller does not ask, because it was kept by somebody who might.
    """
    if caller.is_admin:
        return
    template = Template(tuple(pair for pair in template if pair not in vetted))
    who = f"User [{caller.uid}] : "
    if forbidden := restricted(template):
        raise NotAllowed(f"{who}VM Template includes a restricted attribute {forbidden[0]}.")
    for attribute, path in file_paths(template):
        is_inside = any(path.startswith(f"{place.rstrip('/')}/") for place in user_paths)
        if not is_inside or ".." in unquote(path).split("/"):  # of a URL, as its server reads it
            allowed_places = ", ".join(user_paths) or "none"
            raise NotAllowed(
                f"{who}VM Template includes a restricted attribute {attribute}: {path} lies outside the places that "
                f"users may name ({allowed_places}), see user_paths in trifid.toml."
            )


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
