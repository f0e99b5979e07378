"""The document of a virtual data centre: the same alone and in a pool.

Source: reference/api-modern.md §5.5 (vdc.xsd).
"""

from trifid.core.vdc import Resource, Vdc
from trifid.wire.bodies.parts import body, ids
from trifid.wire.xmltext import escape


def vdc(record: Vdc) -> str:
    """Return the VDC document."""
    return (
        f"<VDC><ID>{record.id}</ID><NAME>{escape(record.name)}</NAME>{ids('GROUPS', record.group_ids)}"
        f"{_resources('CLUSTER', record.clusters)}{_resources('HOST', record.hosts)}"
        f"{_resources('DATASTORE', record.datastores)}{_resources('VNET', record.networks)}"
        f"{body('TEMPLATE', record.template)}</VDC>"
    )


def _resources(name: str, resources: tuple[Resource, ...]) -> str:
    entries = [
        f"<{name}><ZONE_ID>{zone_id}</ZONE_ID><{name}_ID>{object_id}</{name}_ID></{name}>"
        for zone_id, object_id in resources
    ]
    return f"<{name}S>{''.join(entries)}</{name}S>"
