"""How a packet's port is told from the bridge's hooks to the IP hooks: by a mark, pure.

Connections are tracked in the IP hooks only, which the kernel calls for packets on a bridge, too (br_netfilter); but
there the interface is the bridge.  So the bridge's hooks, which know the port, write its number into the packet's
mark just before, and the IP hooks take it away.  A mark that is still there later was not seen by them: it is dropped,
so that a host on which they are not called is closed, not open.
"""

from collections.abc import Iterable

from trifid.core.network.host_document import Port
from trifid.drivers.vnm.numbers import numbered

SIGN, SIGN_MASK = 0x7F1D0000, 0xFFFF0000
"""What tells our marks from others'."""
PORTS_MAX = 0xFFFF

BEFORE_DEFRAGMENTATION = -450
"""Priority in inet prerouting: a conntrack zone is chosen before fragments are put together."""
IN_BRIDGE_PREROUTING = -300
"""Before the kernel calls the IP hooks there, at 0."""
IN_INET_PREROUTING = -150
"""After connections are tracked (-200), before addresses are translated (-100)."""
IN_BRIDGE_FORWARD = -200
"""Before the kernel calls the IP hooks there, at 0."""
IN_INET_FORWARD = 0
AFTER_INET_FORWARD = 100
"""In bridge forward."""


def marks(ports: Iterable[Port]) -> dict[str, str]:
    """Return the marks of filtered ports, by interface."""
    numbers = numbered((port.device for port in ports if port.is_filtered), PORTS_MAX)
    return {device: f"{SIGN | number:#010x}" for device, number in numbers.items()}


def is_left() -> str:
    """Return the expression that a mark is still there."""
    return f"meta mark & {SIGN_MASK:#010x} == {SIGN:#010x}"
