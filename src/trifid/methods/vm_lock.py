"""one.vm.lock and unlock."""

from msgspec.structs import replace

from trifid.core.access import Right, check
from trifid.core.vm.lock import locked, refuse_foreign
from trifid.core.vm.record import VM
from trifid.engine.transaction import Draft
from trifid.methods.registry import Call, method
from trifid.methods.vm_requests import find_vm


@method("one.vm.lock")
async def lock(call: Call, vm_id: int, level: int, test: bool = False) -> int:
    """Forbid everybody to change a VM, administrators too: 1 use, 2 manage, 3 admin, 4 all (kept as 1).

    With `test` a VM that is locked already is refused.
    """

    def command(draft: Draft) -> int:
        vm = _lockable(call, draft, vm_id)
        new = locked(vm.lock, level, call.caller, draft.now, call.request_id, only_free=test)
        draft.put(replace(vm, lock=new))
        draft.note("VM", vm_id, call.caller, "locked", text=f"level {new.level}")
        return vm_id

    return await call.engine.turns.ask(command)


@method("one.vm.unlock")
async def unlock(call: Call, vm_id: int) -> int:
    """Take the lock of a VM away; for whoever locked it, and administrators."""

    def command(draft: Draft) -> int:
        vm = _lockable(call, draft, vm_id)
        refuse_foreign(vm.lock, call.caller)
        if vm.lock is not None:
            draft.put(replace(vm, lock=None))
            draft.note("VM", vm_id, call.caller, "unlocked")
        return vm_id

    return await call.engine.turns.ask(command)


def _lockable(call: Call, draft: Draft, vm_id: int) -> VM:
    """Return a VM that the caller may lock: its own lock does not keep anybody from that."""
    vm = find_vm(draft, vm_id)
    check(call.caller, Right.MANAGE, "VM", replace(vm, lock=None))
    return vm
