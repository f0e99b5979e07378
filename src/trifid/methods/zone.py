"""one.zone.* and one.zonepool.info: the one zone, 0, that this engine is.

Its name and the URL at which clients call are settings of the engine, not of the database: a copy of the database
that another engine begins with does not send clients to this one.
Source: reference/api-modern.md §4 (zones), §5.5 (zone, raftstatus).
"""

from trifid.core.access import Right, check
from trifid.core.zone import ID, Zone
from trifid.engine.config import Config
from trifid.errors import NotFound, Refused
from trifid.methods.common import is_merge, name_checked, parse_update
from trifid.methods.registry import Call, method
from trifid.wire.bodies.zone import RAFT_STATUS
from trifid.wire.bodies.zone import zone as zone_body
from trifid.wire.xmlrpc import Escaped

KIND = "ZONE"
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 (compared, not listened on)


def zone_of(config: Config) -> Zone:
    """Return the zone as it is configured.

    Without an endpoint it is where the engine listens; one that listens on all addresses is called as drivers call
    its machine.
    """
    api = config.api
    host = config.engine.frontend if api.listen in _EVERYWHERE else api.listen
    host = f"[{host}]" if ":" in host else host
    return Zone(api.zone_name, api.endpoint or f"http://{host}:{api.port}/RPC2")


def _found(call: Call, zone_id: int, right: Right) -> Zone:
    """Return the zone; raises NotFound for another one, and NotAllowed."""
    if zone_id != ID:
        raise NotFound("zone", zone_id)
    zone = zone_of(call.engine.config)
    check(call.caller, right, KIND, zone)
    return zone


@method("one.zone.info")
async def info(call: Call, zone_id: int, decrypt: bool = False) -> Escaped:
    """Answer the one zone, 0: this engine."""
    return Escaped.of(zone_body(_found(call, zone_id, Right.USE)))


@method("one.zonepool.info")
async def pool(call: Call) -> Escaped:
    """Answer the pool of the one zone, 0: this engine."""
    return Escaped.of(f"<ZONE_POOL>{zone_body(_found(call, ID, Right.USE))}</ZONE_POOL>")


@method("one.zone.raftstatus")
async def raft_status(call: Call) -> Escaped:
    """Answer what this server agreed on with others: it is alone, so nothing."""
    _found(call, ID, Right.USE)
    return Escaped.of(RAFT_STATUS)


@method("one.zone.enable")
async def enable(call: Call, zone_id: int, enable: bool) -> int:
    """Say that the zone takes calls, which it does; that it shall not is refused."""
    zone = _found(call, zone_id, Right.ADMIN)
    if not enable:
        raise Refused(
            f"zone {zone.name} [{zone_id}] is the only one and cannot be disabled: stop the engine, or disable users",
            zone_id,
        )
    return zone_id


@method("one.zone.rename")
async def rename(call: Call, zone_id: int, name: str) -> int:
    """Give the zone its name; another one is a setting of the engine."""
    zone = _found(call, zone_id, Right.MANAGE)
    if name_checked(name) != zone.name:
        raise Refused(
            f"zone {zone.name} [{zone_id}] is named in the engine's configuration: set zone_name in [api] of "
            "trifid.toml and restart the engine",
            zone_id,
        )
    return zone_id


@method("one.zone.update")
async def update(call: Call, zone_id: int, template: str, append: int = 0) -> int:
    """Take the attributes of the zone as they are; another ENDPOINT is a setting of the engine, and others are refused.

    With `append` 0 and 1 alike.
    """
    zone = _found(call, zone_id, Right.MANAGE)
    is_merge(append)
    for name, value in parse_update(template):
        if name != "ENDPOINT" or value != zone.endpoint:
            raise Refused(
                f"{name[:60]} of zone {zone.name} [{zone_id}] cannot be changed by a call: a zone has its ENDPOINT, "
                "which is endpoint in [api] of trifid.toml",
                zone_id,
            )
    return zone_id
