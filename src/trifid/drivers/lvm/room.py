"""MONITOR of a datastore that is a volume group: the room in its thin pool.

Source: reference/drivers.md §4.3 (the answer's form), lvs(8) (data_percent).
"""

from trifid.drivers.kit import Failure
from trifid.drivers.lvm.tools import MIB, Lvm, Volume


def room(lvm: Lvm, group: str) -> str:
    """Return `USED_MB=… TOTAL_MB=… FREE_MB=…`.

    Raises:
        Failure: there is no such group, it has no such pool, or the pool is not in use on this machine.
    """
    pool = _pool(lvm, group)
    if not pool.data_percent:  # nothing in it was in use since the machine was switched on
        lvm.activate(pool)
        pool = _pool(lvm, group)
    try:
        share = float(pool.data_percent.replace(",", ".")) / 100
    except ValueError:
        raise Failure(f"thin pool {group}/{pool.name} does not say how full it is: is it active?") from None
    total, used = pool.size // MIB, round(pool.size * share) // MIB
    return f"USED_MB={used} TOTAL_MB={total} FREE_MB={max(0, total - used)}"


def _pool(lvm: Lvm, group: str) -> Volume:
    name = lvm.settings.pool
    for volume in lvm.volumes(group):
        if volume.name == name and volume.attributes.startswith("t"):
            return volume
    raise Failure(
        f"volume group {group} has no thin pool {name}: lvcreate --type thin-pool -L SIZE -n {name} {group}, "
        "or name another with the driver's --pool"
    )
