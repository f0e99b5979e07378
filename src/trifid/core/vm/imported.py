"""What may be asked of a VM that was imported: nothing that needs its disks, which the engine does not own.

Its domain was made by somebody else and is found by its name and UUID.  Ending it ends the domain; the domain's
definition and its disks stay.  Upstream keeps a list of the same kind with each driver.
"""

from trifid.core.vm import events
from trifid.core.vm.record import VM
from trifid.errors import Refused

ALLOWED: frozenset[type[events.Request]] = frozenset(
    {
        events.ImportRunning,
        events.Terminate,
        events.TerminateHard,
        events.Poweroff,
        events.PoweroffHard,
        events.Resume,
        events.Reboot,
        events.RebootHard,
        events.Retry,
        events.Delete,
        events.DeleteDb,
    }
)


def check_imported(vm: VM, event: events.Request) -> None:
    """Raise Refused for what cannot be done to an imported VM."""
    if vm.is_imported and type(event) not in ALLOWED:
        words = ", ".join(sorted(one.word for one in ALLOWED if one is not events.ImportRunning))
        raise Refused(
            f'Error performing action "{event.word}": VM {vm.id} was imported, the engine does not own its disks; '
            f"what can be done to it: {words}",
            vm.id,
        )
