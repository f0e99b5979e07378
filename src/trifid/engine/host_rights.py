"""On which hosts the VMs of a user may be: those that the user may MANAGE, which virtual data centres give.

A scheduler acts for everybody, so its own rights say nothing about where a VM may go.
Source: the public documentation of today's API: VMs are deployed to hosts over which their owner has MANAGE rights.
"""

from trifid.core.access import Right, allowed
from trifid.core.host import Host
from trifid.core.vm.record import VM
from trifid.engine.memory import Memory
from trifid.engine.transaction import Draft
from trifid.errors import Refused


def barred_hosts(memory: Memory, uid: int) -> frozenset[int]:
    """Return the ids of the hosts on which the VMs of a user may not be; none for a user that is not there."""
    user = memory.users.get(uid)
    if user is None:
        return frozenset()
    caller = memory.caller(user)
    if allowed(caller, Right.MANAGE, "HOST", None):  # a rule about all: no need to ask about each
        return frozenset()
    return frozenset(one.id for one in memory.hosts.values() if not allowed(caller, Right.MANAGE, "HOST", one))


def refuse_barred(draft: Draft, vm: VM, host: Host) -> None:
    """Raise Refused when the owner of a VM may not use a host."""
    user = draft.memory.users.get(vm.uid)
    if user is not None and not allowed(draft.memory.caller(user), Right.MANAGE, "HOST", host):
        raise Refused(
            f"user {user.name} [{user.id}] may not use host {host.name} [{host.id}]: no virtual data centre of its "
            f"groups has it, and no access rule gives MANAGE of it",
            vm.id,
        )
