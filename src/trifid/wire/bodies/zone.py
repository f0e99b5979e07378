"""The documents of a zone, and of what its server agreed on with others: it has none.

Source: reference/api-modern.md §5.5 (zone.xsd, zone_pool.xsd, raftstatus.xsd).
"""

from trifid.core.template.model import template
from trifid.core.zone import ENABLED, SOLO, Zone
from trifid.wire.bodies.parts import body
from trifid.wire.xmltext import escape

RAFT_STATUS = (
    f"<RAFT><SERVER_ID>-1</SERVER_ID><STATE>{SOLO}</STATE><TERM>0</TERM><VOTEDFOR>-1</VOTEDFOR><COMMIT>0</COMMIT>"
    "<LOG_INDEX>-1</LOG_INDEX><LOG_TERM>-1</LOG_TERM><FEDLOG_INDEX>-1</FEDLOG_INDEX></RAFT>"
)
"""Of a server that is alone: it keeps no log for others."""


def zone(of: Zone) -> str:
    """Return the ZONE document, alone or as the entry of a pool."""
    return (
        f"<ZONE><ID>{of.id}</ID><NAME>{escape(of.name)}</NAME><STATE>{ENABLED}</STATE>"
        f"{body('TEMPLATE', template(ENDPOINT=of.endpoint))}<SERVER_POOL></SERVER_POOL></ZONE>"
    )
