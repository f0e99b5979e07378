"""Which silent hosts are fenced, and in which order the VMs of a fenced one start elsewhere."""

from collections.abc import Collection, Iterable

import msgspec

from trifid.core.vm.record import VM

PRIORITY = "HA_PRIORITY"
"""Of a VM: the higher, the earlier it starts again; 0 when it has none."""
HA = "HA"
"""Of a VM: NO = it is left where it was; RECREATE = it is made anew where its disks are lost with the host."""
_NO, _RECREATE = "NO", "RECREATE"
_PRIORITY_MAX, _DIGITS_MAX = 10**6, 8


class Choice(msgspec.Struct, frozen=True):
    """What is done about silent hosts.

    Attributes:
        fence: ids of those to be fenced now.
        why: why the others, or all, are not; for people, empty when there are none.
    """

    fence: tuple[int, ...] = ()
    why: str = ""


def choose(silent: Collection[int], watched: int, quiet: int, hosts_max: int) -> Choice:
    """Return which of the silent hosts are fenced.

    When many are not heard of at once it is rather the engine's own machine that is cut off.  Then nobody is fenced.

    Args:
        silent: ids of hosts without any sign of life, those that may be fenced.
        watched: how many hosts are watched in all.
        quiet: how many more were not heard of lately.
        hosts_max: so many may be missing at once.
    """
    many = len(silent) + quiet
    if not silent:
        return Choice()
    if many > hosts_max:
        return Choice((), f"{many} of {watched} hosts are not heard of at once, {hosts_max} may be: {_SUSPECT}")
    if watched >= _FEW and 2 * many > watched:
        return Choice((), f"{many} of {watched} hosts are not heard of at once, more than half: {_SUSPECT}")
    return Choice(tuple(sorted(silent)))


_FEW = 3
"""Of fewer hosts one is always half or more."""
_SUSPECT = "the front-end may be the one that is cut off, so nobody is fenced"


def in_order(vms: Iterable[VM]) -> list[VM]:
    """Return VMs in the order in which they start again: by priority, then the oldest first."""
    return sorted(vms, key=lambda vm: (-priority(vm), vm.id))


def priority(vm: VM) -> int:
    """Return a VM's HA_PRIORITY; what is no whole number, or a monstrous one, counts 0."""
    text = vm.user_template.single(PRIORITY)
    try:
        number = int(text) if len(text) <= _DIGITS_MAX else 0
    except ValueError:
        return 0
    return number if abs(number) <= _PRIORITY_MAX else 0


def is_left_alone(vm: VM) -> bool:
    """Tell whether a VM's owner does not want it to be started elsewhere."""
    return vm.user_template.single(HA).upper() == _NO


def why_not_anew(vm: VM) -> str:
    """Return why a VM whose disks are lost with its host is not made anew; empty when it is.

    Only where its owner says so, and where nothing that he keeps is on its disks.
    """
    if vm.user_template.single(HA).upper() != _RECREATE:
        return f"its disks are on the host alone, and it does not say {HA}={_RECREATE}"
    for disk in vm.template.vectors("DISK"):
        if disk.get("PERSISTENT", "").upper() == "YES" or disk.get("SAVE", "").upper() == "YES":
            return f"its disk {disk.get('DISK_ID')} is on the host alone, and is to be kept"
        if disk.get("CLONE", "").upper() == "NO" and disk.get("IMAGE_ID"):
            return f"its disk {disk.get('DISK_ID')} is a persistent image, which is on the host alone"
    return ""
