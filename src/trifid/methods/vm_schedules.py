"""one.vm.schedadd, schedupdate, scheddelete, and what the engine does when a scheduled action is due."""

from msgspec.structs import replace

from trifid.core.access import Caller
from trifid.core.template.model import Template
from trifid.core.vm.record import VM
from trifid.core.vm.schedule import ScheduledAction, as_vector, scheduled
from trifid.engine.engine import Engine
from trifid.engine.limits import limits_of, refuse_restricted
from trifid.engine.more import check_action, one_more_action
from trifid.engine.schedule import CarryOut, found, put_schedule
from trifid.engine.transaction import Draft
from trifid.errors import BadTemplate, NotFound, TrifidError
from trifid.methods import vm_snapshots as snapshots
from trifid.methods.common import BadUpdate
from trifid.methods.registry import Call, method, one_line
from trifid.methods.vm import act
from trifid.methods.vm_requests import MakeRequest, request, the_vector, vm_for

AUDITED_AS = "scheduled action"
"""The method that the audit names: it was no call."""
_WHEN = {"TIME", "REPEAT", "DAYS", "END_TYPE", "END_VALUE"}


@method("one.vm.schedadd")
async def add(call: Call, vm_id: int, template: str) -> int:
    """Schedule an action, `SCHED_ACTION = [ ACTION = …, TIME = … ]`, and answer its id.

    TIME is epoch seconds, or +SECONDS after the start of the VM.  It is carried out as if the caller asked for
    it then.
    """
    vector = the_vector(template, "SCHED_ACTION")

    def command(draft: Draft) -> int:
        vm = vm_for(call, draft, vm_id)
        _refuse_restricted(call, vector)
        try:
            one = one_more_action(draft, vm, vector, call.caller, call.engine.schedule.calendar)
        except BadTemplate as bad:
            raise BadUpdate(bad.message, vm_id) from bad
        draft.put(replace(vm, schedule=(*vm.schedule, one)))
        _note(call, draft, vm_id, "scheduled", one)
        return one.id

    return await call.ask(command)


@method("one.vm.schedupdate")
async def update(call: Call, vm_id: int, action_id: int, template: str) -> int:
    """Change a scheduled action and answer its id; what is left out stays.  From then on it is the caller's."""
    given = the_vector(template, "SCHED_ACTION")

    def command(draft: Draft) -> int:
        vm = vm_for(call, draft, vm_id)
        old = _found(vm, action_id)
        _refuse_restricted(call, given, as_vector(old, vm_id))
        try:
            new = scheduled(
                {**as_vector(old, vm_id), **given},
                action_id=old.id,
                uid=call.caller.uid,
                start=vm.stime,
                now=draft.now,
                calendar=call.engine.schedule.calendar,
            )
        except BadTemplate as bad:
            raise BadUpdate(bad.message, vm_id) from bad
        check_action(vm, new, call.caller)
        stays_over = old.is_over and not _WHEN & set(given)
        put_schedule(draft, vm, replace(new, done=old.done, message=old.message, is_over=stays_over))
        _note(call, draft, vm_id, "schedule changed", new)
        return action_id

    return await call.ask(command)


@method("one.vm.scheddelete")
async def delete(call: Call, vm_id: int, action_id: int) -> int:
    """Take a scheduled action back."""

    def command(draft: Draft) -> int:
        vm = vm_for(call, draft, vm_id)
        gone = _found(vm, action_id)
        draft.put(replace(vm, schedule=tuple(one for one in vm.schedule if one is not gone)))
        _note(call, draft, vm_id, "unscheduled", gone)
        return vm_id

    return await call.ask(command)


def _refuse_restricted(call: Call, vector: dict[str, str], before: dict[str, str] | None = None) -> None:
    known = Template() if before is None else Template((("SCHED_ACTION", before),))
    refuse_restricted(call.caller, Template((("SCHED_ACTION", vector),)), limits_of(call.engine.config), known)


def _found(vm: VM, action_id: int) -> ScheduledAction:
    one = found(vm, action_id)
    if one is None:
        raise NotFound("scheduled action", action_id)
    return one


def _note(call: Call, draft: Draft, vm_id: int, what: str, one: ScheduledAction) -> None:
    draft.note("VM", vm_id, call.caller, what, text=f"{one.id}: {' '.join([one.action, *one.arguments])}")


def carry_out(engine: Engine) -> CarryOut:
    """Return what does a scheduled action as its user would have done it by a call: quotas and audit hold for it."""

    def run(draft: Draft, caller: Caller, vm: VM, one: ScheduledAction) -> None:
        words = " ".join([one.action, *one.arguments])
        about = (("vm_id", vm.id), ("action_id", one.id), ("action", words))
        call = Call(engine, AUDITED_AS, replace(caller, grounds=[]), "-1", arguments=about)
        try:
            call.done_in(draft, lambda inner: _done(call, inner, vm.id, one))
        except TrifidError as refused:
            engine.audit.take(call.audit_entry(draft.now, code=refused.code, text=one_line(refused.message)))
            raise

    return run


def _done(call: Call, draft: Draft, vm_id: int, one: ScheduledAction) -> int:
    if "snapshot" in one.action:
        request(call, draft, vm_id, _snapshot(one))
    else:
        act(call, draft, one.action, vm_id)
    return vm_id


def _snapshot(one: ScheduledAction) -> MakeRequest:
    args = one.arguments
    match one.action:
        case "snapshot-create":
            return snapshots.creating(args[0] if args else "")
        case "snapshot-revert":
            return snapshots.reverting(int(args[0]))
        case "snapshot-delete":
            return snapshots.deleting(int(args[0]))
        case "disk-snapshot-create":
            return snapshots.disk_creating(int(args[0]), args[1] if len(args) > 1 else "")
        case "disk-snapshot-revert":
            return snapshots.disk_reverting(int(args[0]), int(args[1]))
        case "disk-snapshot-delete":
            return snapshots.disk_deleting(int(args[0]), int(args[1]))
        case other:
            raise AssertionError(f"{other} is scheduled and cannot be carried out")
