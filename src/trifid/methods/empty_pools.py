"""Kinds of objects that there are none of.

Clients ask for these pools on their way to what they came for.  Source: reference/api-modern.md §3.
"""

from trifid.errors import BadRequest
from trifid.methods.common import FILTER_PRIMARY_GROUP
from trifid.methods.registry import Call, Handler, method
from trifid.wire.xmlrpc import Escaped

EMPTY_POOLS = (("one.marketpool.info", "MARKETPLACE_POOL", "marketplaces"),)
"""Method, root of its document, and what is not there."""

EMPTY_FILTERED_POOLS = (
    ("one.vrouterpool.info", "VROUTER_POOL", "virtual routers"),
    ("one.marketapppool.info", "MARKETPLACEAPP_POOL", "appliances of marketplaces"),
    ("one.backupjobpool.info", "BACKUPJOB_POOL", "backup jobs"),
)
"""The same of pools that take a filter and a range or page."""


def _empty(root: str, what: str) -> Handler:
    async def answer(call: Call) -> Escaped:
        return Escaped.of(f"<{root}></{root}>")

    answer.__doc__ = f"Answer an empty pool: there are no {what}."
    return answer


def _empty_filtered(root: str, what: str) -> Handler:
    async def answer(call: Call, filter_flag: int, start: int, end: int) -> Escaped:
        if filter_flag < FILTER_PRIMARY_GROUP:
            raise BadRequest("Incorrect filter_flag")
        return Escaped.of(f"<{root}></{root}>")

    answer.__doc__ = f"Answer an empty pool: there are no {what}."
    return answer


for _name, _root, _what in EMPTY_POOLS:
    method(_name)(_empty(_root, _what))
for _name, _root, _what in EMPTY_FILTERED_POOLS:
    method(_name)(_empty_filtered(_root, _what))
