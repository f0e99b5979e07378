"""one.vm.lock and unlock."""

from trifid.methods.locks import lock_object, unlock_object
from trifid.methods.registry import Call, method
from trifid.methods.vm_requests import find_vm


@method("one.vm.lock")
async def lock(call: Call, vm_id: int, level: int, test: bool = False) -> int:
    """Forbid everybody to change a VM, administrators too: 1 use, 2 manage, 3 admin, 4 all (kept as 1).

    With `test` a VM that is locked already is refused.
    """
    return await lock_object(call, "VM", vm_id, level, test, find_vm)


@method("one.vm.unlock")
async def unlock(call: Call, vm_id: int) -> int:
    """Take the lock of a VM away; for whoever locked it, and administrators."""
    return await unlock_object(call, "VM", vm_id, find_vm)
