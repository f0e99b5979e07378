"""Kinds of objects that there are none of, and the one zone that every installation is.

Clients ask for these pools on their way to what they came for.  Source: reference/api-modern.md §3.
"""

from trifid.core.template.model import template
from trifid.errors import NotFound
from trifid.methods.registry import Call, Handler, method
from trifid.wire.bodies.parts import body
from trifid.wire.xmlrpc import Escaped

EMPTY_POOLS = (
    ("one.vrouterpool.info", "VROUTER_POOL", "virtual routers"),
    ("one.documentpool.info", "DOCUMENT_POOL", "documents"),
    ("one.marketpool.info", "MARKETPLACE_POOL", "marketplaces"),
    ("one.marketapppool.info", "MARKETPLACEAPP_POOL", "appliances of marketplaces"),
    ("one.backupjobpool.info", "BACKUPJOB_POOL", "backup jobs"),
)
"""Method, root of its document, and what is not there."""

ZONE_ID, ZONE_NAME = 0, "OpenNebula"


def _empty(root: str, what: str) -> Handler:
    async def answer(call: Call) -> Escaped:
        return Escaped.of(f"<{root}></{root}>")

    answer.__doc__ = f"Answer an empty pool: there are no {what}.  Filters are ignored."
    return answer


for _name, _root, _what in EMPTY_POOLS:
    method(_name)(_empty(_root, _what))


@method("one.zone.info")
async def zone(call: Call, zone_id: int, decrypt: bool = False) -> Escaped:
    """Answer the one zone, 0: this engine."""
    if zone_id != ZONE_ID:
        raise NotFound("zone", zone_id)
    return Escaped.of(_zone(call))


@method("one.zonepool.info")
async def zones(call: Call) -> Escaped:
    """Answer the pool of the one zone, 0: this engine."""
    return Escaped.of(f"<ZONE_POOL>{_zone(call)}</ZONE_POOL>")


def _zone(call: Call) -> str:
    api = call.engine.config.api
    host = f"[{api.listen}]" if ":" in api.listen else api.listen
    endpoint = body("TEMPLATE", template(ENDPOINT=f"http://{host}:{api.port}/RPC2"))
    named = f"<ID>{ZONE_ID}</ID><NAME>{ZONE_NAME}</NAME><STATE>0</STATE>"
    return f"<ZONE>{named}{endpoint}<SERVER_POOL></SERVER_POOL></ZONE>"
