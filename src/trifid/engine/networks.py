"""Which network a NIC means."""

from trifid.core.access import Caller, Right, allowed
from trifid.core.network.record import Network
from trifid.engine.transaction import Draft


def network_of(draft: Draft, caller: Caller, nic: dict[str, str]) -> Network | None:
    """Return the network that a NIC names and the caller may use, or None."""
    if "NETWORK_ID" in nic:
        number = nic["NETWORK_ID"]
        network = draft.find_network(int(number)) if number.isdigit() else None
        return network if network is not None and allowed(caller, Right.USE, "NET", network) else None
    name, owner = nic.get("NETWORK"), nic.get("NETWORK_UID")
    named = [n for n in draft.each("networks") if n.name == name and allowed(caller, Right.USE, "NET", n)]
    if owner is not None:
        named = [n for n in named if str(n.uid) == owner]
    mine = [n for n in named if n.uid == caller.uid]
    return min(mine or named, key=lambda n: n.id, default=None)
