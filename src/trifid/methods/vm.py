"""one.vm.* and one.vmpool.*."""

import asyncio
from collections.abc import Callable

from msgspec.structs import replace

from trifid.core.access import Right, check
from trifid.core.ledger import check_room
from trifid.core.template.amend import amended
from trifid.core.vm import events
from trifid.core.vm.record import VM
from trifid.core.vm.states import VmState
from trifid.core.vm.table import TABLE, needed_states
from trifid.engine.clusters import host_in_cluster
from trifid.engine.life import happen
from trifid.engine.limits import limits_of
from trifid.engine.submit import Submission, submit
from trifid.engine.transaction import Draft
from trifid.engine.vm_groups import refuse_against_rules
from trifid.errors import BadRequest, NotFound, Refused, TrifidError
from trifid.methods.common import (
    FILTER_MINE,
    bounded,
    changed,
    is_merge,
    listed,
    parse_allocate,
    parse_update,
    wanted_by,
)
from trifid.methods.ownership import Owned, allow_any_name, declare_ownership
from trifid.methods.registry import Call, method
from trifid.methods.vm_requests import find_vm as _find
from trifid.wire.xmlrpc import Escaped

STATE_ANY, STATE_NOT_DONE = -2, -1
DONE = VmState.DONE.state
DONE_AT_ONCE = 500

_ADMIN_ACTIONS = {"resched", "unresched", "resubmit", "delete-recreate"}
_ACTIONS: dict[str, type[events.Request]] = {
    request.word: request
    for request in (
        events.Terminate,
        events.TerminateHard,
        events.Hold,
        events.Release,
        events.Poweroff,
        events.PoweroffHard,
        events.Resume,
        events.Suspend,
        events.Stop,
        events.Undeploy,
        events.UndeployHard,
        events.Reboot,
        events.RebootHard,
        events.Resched,
        events.Unresched,
    )
}
_CLASSIC: dict[str, type[events.Request]] = {
    "shutdown": events.Terminate,
    "shutdown-hard": events.TerminateHard,
    "cancel": events.TerminateHard,
    "finalize": events.TerminateHard,
    "delete": events.TerminateHard,
    "restart": events.Resume,
    "boot": events.Resume,
    "reset": events.RebootHard,
    "resubmit": events.DeleteRecreate,
    "delete-recreate": events.DeleteRecreate,
}
"""The verbs of 2009 and what they are called today (reference/lifecycle.md §5.1)."""

_GAVE_CAPACITY_BACK = (VmState.POWEROFF, VmState.SUSPENDED)
"""Where a VM keeps its place, but not its share of the host."""

_RECOVERIES: dict[int, type[events.Request]] = {
    2: events.Retry,
    3: events.Delete,
    4: events.DeleteRecreate,
    5: events.DeleteDb,
}
"""Operations of recover that are requests; 0 and 1 stand for a driver's answer."""
DELETE_DB = 5
_WITHOUT_EPILOG = (
    *(VmState.CLEANUP_DELETE, VmState.CLEANUP_DELETE_FILES, VmState.CLEANUP_DELETE_STOPPED),
    *(VmState.CLEANUP_DELETE_SOURCE, VmState.CLEANUP_DELETE_SOURCE_COPY),
)
_COPIES_BACK = "ssh"
"""The transfer driver under which a persistent image is a copy on the host until the VM ends."""


@method("one.vm.allocate")
async def allocate(call: Call, template: str, hold: bool = False) -> int:
    """Submit a VM; its addresses are chosen now, its host later."""
    check(call.caller, Right.CREATE, "VM")
    submission = submission_of(call, template, hold)
    return await call.ask(lambda draft: submit(draft, submission))


def submission_of(call: Call, template: str, hold: bool) -> Submission:
    """Return what a caller asks to run; raises BadTemplate."""
    config = call.engine.config
    return Submission(
        call.caller,
        parse_allocate(template),
        hold,
        config.network.mac_prefix,
        limits_of(config),
        call.engine.schedule.calendar,
    )


@method("one.vm.action")
async def action(call: Call, word: str, vm_id: int) -> int:
    """Carry out an action by its name; the action comes first, the id second."""
    return await call.ask(lambda draft: act(call, draft, word, vm_id))


def act(call: Call, draft: Draft, word: str, vm_id: int) -> int:
    """Carry out an action inside a draft; raises NotFound, NotAllowed, Refused."""
    request = _ACTIONS.get(word) or _CLASSIC.get(word)
    if request is None:
        raise Refused(f'Action "{word}" is not supported', vm_id)
    vm = _find(draft, vm_id)
    check(call.caller, Right.ADMIN if word in _ADMIN_ACTIONS else Right.MANAGE, "VM", vm)
    if request is events.Resume and vm.state in _GAVE_CAPACITY_BACK:
        host = draft.host(vm.current.host_id)
        check_room(
            host_in_cluster(draft, host),
            draft.share(host.id),
            vm.needs,
            "power off or terminate another VM there first",
        )
        refuse_against_rules(draft, vm, host, "migrate it first")
    if request is events.TerminateHard:
        _refuse_loss(vm)
    happen(draft, vm, request(), call.moment(draft.now))
    return vm_id


def _refuse_loss(vm: VM) -> None:
    """Raise Refused for a terminate-hard that would delete disks that are to be kept and have no other copy."""
    row = TABLE.get((vm.state, events.TerminateHard))
    if row is None or row.end not in _WITHOUT_EPILOG or vm.state is VmState.PROLOG_FAILURE:
        return
    kept = [
        disk["DISK_ID"]
        for disk in vm.template.vectors("DISK")
        if disk.get("SAVE") == "YES" and (disk.get("PERSISTENT") != "YES" or vm.current.tm == _COPIES_BACK)
    ]
    if kept:
        raise Refused(
            f"VM {vm.id} is {vm.state.printable}: terminate-hard would delete DISK {', '.join(kept)}, which shall be "
            'kept: "recover --retry" tries again what failed, "recover --delete" gives it up',
            vm.id,
        )


@method("one.vm.recover")
async def recover(call: Call, vm_id: int, operation: int) -> int:
    """Help a VM out: 0 its pending action failed, 1 succeeded, 2 try it again, 3 delete the VM, 4 delete and begin
    again with the same addresses, 5 only forget it.
    """
    known = {0: "failure", 1: "success", 2: "retry", 3: "delete", 4: "delete-recreate", 5: "delete-db"}
    if operation not in known:
        supported = ", ".join(f"{number} {name}" for number, name in known.items())
        raise Refused(f"Wrong recovery operation code {operation}, supported are {supported}", vm_id)

    def command(draft: Draft) -> int:
        vm = _find(draft, vm_id)
        check(call.caller, Right.ADMIN, "VM", vm)
        if operation in _RECOVERIES:
            if operation == DELETE_DB:
                check(call.caller, Right.ADMIN, "SYSTEM")
            happen(draft, vm, _RECOVERIES[operation](), call.moment(draft.now))
            return vm_id
        if operation == 0 and vm.state in needed_states(events.Abandon):
            happen(draft, vm, events.Abandon(), call.moment(draft.now))
            return vm_id
        if operation == 1 and vm.state in needed_states(events.Accept):
            happen(draft, vm, events.Accept(), call.moment(draft.now))
            return vm_id
        if draft.action(vm_id) is None:
            state = vm.state.printable
            again = f'; "onevm recover {vm_id} --retry" does its step again' if state.endswith("_FAILURE") else ""
            raise Refused(
                f"VM {vm_id} is {state} and waits for no driver, there is nothing that could be said to be done{again}",
                vm_id,
            )
        why = f"declared failed by {call.caller.name} with recover --failure"
        answer = events.Done(step=vm.step) if operation == 1 else events.Failed(step=vm.step, why=why)
        if happen(draft, vm, answer, call.moment(draft.now)) is vm:
            raise Refused(f"VM {vm_id} is looking for itself on its hosts: wait for their answers", vm_id)
        return vm_id

    return await call.ask(command)


@method("one.vm.update")
async def update(call: Call, vm_id: int, template: str, append: int = 0) -> int:
    """Replace (0) or extend (1) the user attributes of a VM.

    They are checked as at submission; restricted ones only administrators change, those of the engine nobody.
    """
    caller, merges, given = call.caller, is_merge(append), parse_update(template)

    def change(draft: Draft, vm: VM) -> VM:
        new = amended(
            vm.user_template,
            given,
            merges=merges,
            uid=caller.uid,
            is_admin=caller.is_admin,
            restricted=call.engine.config.restricted.of_vms,
        )
        return replace(vm, user_template=bounded(new))

    return await changed(call, "VM", vm_id, Right.MANAGE, "updated", change, _find)


declare_ownership(Owned("one.vm", "VM", "vm_id", "a VM", refuse_name=allow_any_name, find=_find))


@method("one.vm.info")
async def info(call: Call, vm_id: int, decrypt: bool = False) -> Escaped:
    """Answer a VM's document, with all its history."""
    engine = call.engine
    vm = engine.turns.memory.vms.get(vm_id)
    if vm is None:
        vm = await asyncio.to_thread(engine.store.done_vm, vm_id)
        if vm is None:
            raise NotFound("virtual machine", vm_id)
    check(call.caller, Right.USE, "VM", vm)
    return engine.documents.vm(vm)


async def _listed(call: Call, filter_flag: int, start: int, end: int, state: int, query: str) -> list[VM]:
    if not -2 <= state <= 11:
        raise BadRequest(f"Incorrect state filter {state}")
    if query:
        raise TrifidError("search by attributes is not supported by any database here; filter what is listed instead")
    found = {vm.id: vm for vm in call.engine.turns.memory.vms.values() if state < 0 or vm.state.state == state}
    if state in (STATE_ANY, DONE):
        wanted = wanted_by(call.caller, "VM", filter_flag)
        owner = filter_flag if filter_flag >= 0 else call.caller.uid if filter_flag == FILTER_MINE else None
        done = await asyncio.to_thread(_done, call, wanted, owner, start, end)
        found.update((vm.id, vm) for vm in done)
    return listed(found.values(), call.caller, "VM", filter_flag, start, end)


def _done(call: Call, wanted: Callable[[VM], bool], uid: int | None, start: int, end: int) -> list[VM]:
    """Return the finished VMs that may stand in the asked list, reading no more of them at once than a page."""
    is_page = end < -1
    count = max(start, 0) - end if is_page and not call.caller.oldest_first else None
    first_id = max(start, 0) if not is_page else 0
    last_id = end if end >= 0 else None
    found: list[VM] = []
    while count is None or len(found) < count:
        page = call.engine.store.done_vms(uid=uid, first_id=first_id, last_id=last_id, limit=DONE_AT_ONCE)
        found += filter(wanted, page)
        if len(page) < DONE_AT_ONCE:
            break
        last_id = page[-1].id - 1
    return found


@method("one.vmpool.info")
async def pool(call: Call, filter_flag: int, start: int, end: int, state: int, query: str = "") -> Escaped:
    """Answer the VMs that the filter selects, with short bodies."""
    return call.engine.documents.vm_pool(await _listed(call, filter_flag, start, end, state, query))


@method("one.vmpool.infoextended")
async def pool_extended(call: Call, filter_flag: int, start: int, end: int, state: int, query: str = "") -> Escaped:
    """Answer the VMs that the filter selects, with full bodies and their last history record."""
    return call.engine.documents.vm_pool_extended(await _listed(call, filter_flag, start, end, state, query))


@method("one.vmpool.infoset")
async def pool_set(call: Call, ids: str, extended: bool) -> Escaped:
    """Answer the VMs of a comma separated list of ids."""
    try:
        wanted = {int(word) for word in ids.split(",") if word.strip()}
    except ValueError:
        raise BadRequest(f"ids must be numbers separated by commas, is {ids[:40]!r}") from None
    vms = [vm for vm in await _listed(call, -2, -1, -1, STATE_NOT_DONE, "") if vm.id in wanted]
    documents = call.engine.documents
    return documents.vm_pool_extended(vms) if extended else documents.vm_pool(vms)
