"""The rules that always hold, each a filter."""

from trifid.placement.affinity import Affinity
from trifid.placement.devices import Devices
from trifid.placement.expressions import Compiler
from trifid.placement.filters import (
    Banned,
    Cluster,
    Cpu,
    Driver,
    Filter,
    Leaving,
    Memory,
    OwnersRights,
    Requires,
    State,
)


def builtin(compiler: Compiler) -> tuple[Filter, ...]:
    """Return the rules in the order in which reasons count hosts: each host for the first rule that it breaks."""
    return (
        Leaving(),
        State(),
        OwnersRights(),
        Cluster(),
        Driver(),
        Requires(compiler),
        Banned(),
        Affinity(),
        Devices(),
        Memory(),
        Cpu(),
    )
