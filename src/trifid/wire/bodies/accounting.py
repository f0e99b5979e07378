"""What accounting and showback answer.  Source: reference/api-modern.md §5.5 (acct.xsd, showback.xsd)."""

from msgspec.structs import replace

from trifid.core.showback import Showback
from trifid.core.vm.record import VM, HistoryRecord
from trifid.wire.bodies.parts import Names
from trifid.wire.bodies.vm import history_record, vm_full
from trifid.wire.xmltext import escape


def accounted(vm: VM, stay: HistoryRecord, names: Names) -> str:
    """Return an entry of HISTORY_RECORDS: a stay, and its VM as it is now, whose own history is that stay alone."""
    whole = history_record(vm.id, stay)
    return whole.removesuffix("</HISTORY>") + vm_full(replace(vm, history=(stay,)), names) + "</HISTORY>"


def shown_back(vm: VM, of: Showback, names: Names) -> str:
    """Return an entry of SHOWBACK_RECORDS."""
    user, group = escape(names.user(vm.uid)), escape(names.group(vm.gid))
    return (
        f"<SHOWBACK><VMID>{vm.id}</VMID><VMNAME>{escape(vm.name)}</VMNAME><UID>{vm.uid}</UID><GID>{vm.gid}</GID>"
        f"<UNAME>{user}</UNAME><GNAME>{group}</GNAME><YEAR>{of.month.year}</YEAR><MONTH>{of.month.month}</MONTH>"
        f"<CPU_COST>{_number(of.cpu_cost)}</CPU_COST><MEMORY_COST>{_number(of.memory_cost)}</MEMORY_COST>"
        f"<DISK_COST>{_number(of.disk_cost)}</DISK_COST><TOTAL_COST>{_number(of.total_cost)}</TOTAL_COST>"
        f"<HOURS>{_number(of.hours)}</HOURS><RHOURS>{_number(of.running_hours)}</RHOURS></SHOWBACK>"
    )


def _number(value: float) -> str:
    """Return a number with up to six decimals, and no exponent."""
    return f"{value:.6f}".rstrip("0").rstrip(".")
