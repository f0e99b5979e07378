"""What the methods that ask something of one VM share."""

from collections.abc import Callable

from trifid.core.access import Right, check
from trifid.core.template.model import Template
from trifid.core.vm.events import Request
from trifid.core.vm.record import VM
from trifid.engine.life import happen
from trifid.engine.transaction import Draft
from trifid.errors import BadTemplate, NoLease, NotAllocated, NotFound, Refused
from trifid.methods.common import BadUpdate, parse_update
from trifid.methods.registry import Call

MakeRequest = Callable[[Draft, VM], Request]


def find_vm(draft: Draft, vm_id: int) -> VM:
    """Return a VM for an action; one that is DONE is refused by state, not by absence."""
    vm = draft.find_vm(vm_id)
    if vm is not None:
        return vm
    if 0 <= vm_id < draft.memory.counters.get("vm", 0):
        raise Refused(f"This action is not available for state DONE: virtual machine [{vm_id}] is finished", vm_id)
    raise NotFound("virtual machine", vm_id)


def vm_for(call: Call, draft: Draft, vm_id: int, right: Right = Right.MANAGE) -> VM:
    """Return a VM that the caller may do something with; raises as `find_vm` and the gate do."""
    vm = find_vm(draft, vm_id)
    check(call.caller, right, "VM", vm)
    return vm


def request(call: Call, draft: Draft, vm_id: int, make: MakeRequest) -> VM:
    """Ask something of a VM inside a draft, and return the VM as it is then.

    Args:
        make: returns the request, after looking whether the VM has what it is about.

    Raises:
        NotFound, NotAllowed, Refused; BadUpdate for what `make` finds wrong in a template.
    """
    vm = vm_for(call, draft, vm_id)
    try:
        wanted = make(draft, vm)
    except (BadTemplate, NotAllocated, NoLease) as bad:
        raise BadUpdate(bad.message, vm_id) from bad
    return happen(draft, draft.vm(vm_id), wanted, call.moment(draft.now))


async def requested(call: Call, vm_id: int, make: MakeRequest) -> VM:
    """Ask something of a VM, and return the VM as it is once that is durable; raises as `request` does."""
    return await call.ask(lambda draft: request(call, draft, vm_id, make))


def the_vector(text: str, name: str) -> dict[str, str]:
    """Return the one vector `name` of a template; raises BadUpdate."""
    parsed: Template = parse_update(text)
    found = parsed.vectors(name)
    if len(found) != 1 or len(parsed) != 1:
        given = ", ".join(dict.fromkeys(one for one, _ in parsed)) or "nothing"
        raise BadUpdate(f"expected one {name} = [ KEY = value ] and nothing else, found {len(parsed)}: {given}"[:300])
    return found[0]
