"""Capacity: derived from the VMs' records, never counted, so that it cannot drift."""

import msgspec

from trifid.core.host import Host
from trifid.core.vm.record import VM, Needs
from trifid.errors import Refused


class Share(msgspec.Struct, frozen=True, array_like=True):
    """What a host carries for VMs.

    Attributes:
        cpu_percent: promised, 100 = one core.
        memory_mib: promised, MiB.
        vms: how many VMs are charged here.
    """

    cpu_percent: int = 0
    memory_mib: int = 0
    vms: int = 0

    def plus(self, needs: Needs, sign: int) -> "Share":
        """Return the share with a VM charged (sign 1) or credited (sign -1).

        Asserts that nothing goes below zero.
        """
        share = Share(
            self.cpu_percent + sign * needs.cpu_percent, self.memory_mib + sign * needs.memory_mib, self.vms + sign
        )
        assert share.cpu_percent >= 0 and share.memory_mib >= 0 and share.vms >= 0, f"{self} credited with {needs}"
        return share


def charged_hosts(vm: VM) -> frozenset[int]:
    """Return the ids of the hosts that carry `vm`: those of its stays that are still open.

    A VM that moves is charged on both hosts until one of the two stays is closed; one that is powered
    off or done has none.  Source: reference/lifecycle.md §2.2 (cap+ and cap-).
    """
    return frozenset(r.host_id for r in vm.history if not r.etime)


def check_room(host: Host, share: Share, needs: Needs, hint: str = "choose another host") -> None:
    """Raise unless `host` has room for `needs` beside what it carries.

    Args:
        hint: what can be done about it.

    Raises:
        Refused: with needed and free of what is short; begins as clients know it (reference/templates.md §6.3).
    """
    free_cpu_percent = host.total_cpu_percent - host.reserved_cpu_percent - share.cpu_percent
    free_memory_kib = host.total_memory_kib - host.reserved_memory_kib - share.memory_mib * 1024
    short = []
    if needs.cpu_percent > free_cpu_percent:
        has = _has(free_cpu_percent / 100, "cores")
        short.append(f"Not enough CPU capacity: needs {_amount(needs.cpu_percent / 100)} cores, {has}")
    if needs.memory_mib * 1024 > free_memory_kib:
        short.append(f"Not enough memory: needs {needs.memory_mib} MiB, {_has(free_memory_kib // 1024, 'MiB')}")
    if short:
        raise Refused(f"host {host.name} [{host.id}] has no room: {'; '.join(short)}: {hint}", host.id)


def _has(free: float, unit: str) -> str:
    if free < 0:
        return f"the host is overcommitted by {_amount(-free)} {unit}"
    return f"has {_amount(free)} free"


def _amount(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")
