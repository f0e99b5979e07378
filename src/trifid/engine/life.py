"""Carrying out a VM's step inside a draft: record, outbox row, leases, journal, together.

The only code of the engine that calls `step`; methods, driver answers and monitoring all come here.
"""

from trifid.core.access import ENGINE
from trifid.core.network.address import format_mac
from trifid.core.vm.effects import Moment
from trifid.core.vm.events import Event, Failed, Request, SeenOff, SeenPaused
from trifid.core.vm.record import VM
from trifid.core.vm.states import VmState
from trifid.core.vm.step import step
from trifid.engine.transaction import Draft


def happen(draft: Draft, vm: VM, event: Event, moment: Moment | None = None) -> VM:
    """Return the VM after `event`; write all that follows from it into `draft`.

    Raises:
        Refused: a request that the VM's state does not allow.
    """
    moment = moment or Moment(draft.now, ENGINE)
    outcome = step(vm, event, moment)
    if outcome.ignored:
        return vm
    after = outcome.vm
    draft.put(after)
    draft.set_action(vm.id, outcome.action)
    if outcome.releases_leases:
        _release_leases(draft, after)
    draft.note("VM", vm.id, moment.caller, "state", vm.state.name, after.state.name, _text(event, vm, after))
    return after


def _release_leases(draft: Draft, vm: VM) -> None:
    """Give back all leases of a VM that is DONE, else those of NICs that it no longer has."""
    nics = [] if vm.state is VmState.DONE else vm.template.vectors("NIC")
    kept = {(nic.get("NETWORK_ID"), nic.get("MAC")) for nic in nics}
    for lease in draft.leases_of(vm.id):
        if (str(lease.network_id), format_mac(lease.mac)) not in kept:
            draft.delete("leases", lease.key)


def _text(event: Event, before: VM, after: VM) -> str:
    """Return what the journal says beside the states: why it is so, or what was asked where they are the same."""
    if isinstance(event, Failed | SeenOff | SeenPaused):
        return event.why
    if isinstance(event, Request) and after.state is before.state:
        return event.word
    return ""
