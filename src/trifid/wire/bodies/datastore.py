"""The document of a datastore: the same alone and in a pool.

Source: reference/api-modern.md §5.1, §5.5 (datastore.xsd), §5.6.
"""

from collections.abc import Iterable

from trifid.core.image.datastore import Datastore, Space
from trifid.core.image.define_datastore import PROMISED, shown_template
from trifid.wire.bodies.parts import Names, body, cdata, ids, owner, permissions
from trifid.wire.xmltext import escape


def datastore_full(
    datastore: Datastore,
    names: Names,
    space: Space,
    base_path: str,
    image_ids: Iterable[int] = (),
    promised_mib: int = 0,
) -> str:
    """Return the DATASTORE document.

    Args:
        space: its room, as told last.
        base_path: its directory or volume group, absolute.
        image_ids: the images in it.
        promised_mib: to VMs whose files are not there yet; TEMPLATE/PROMISED_MB while there are such.
    """
    shown = shown_template(datastore)
    if promised_mib:
        shown = shown.having((PROMISED, str(promised_mib)))
    return (
        f"<DATASTORE><ID>{datastore.id}</ID>{owner(datastore.uid, datastore.gid, names)}"
        f"<NAME>{escape(datastore.name)}</NAME>{permissions(datastore.permissions)}"
        f"<DS_MAD>{cdata(datastore.ds_mad or '-')}</DS_MAD><TM_MAD>{cdata(datastore.tm_mad)}</TM_MAD>"
        f"<BASE_PATH>{cdata(base_path)}</BASE_PATH><TYPE>{datastore.type.value}</TYPE>"
        f"<DISK_TYPE>{datastore.disk_type.value}</DISK_TYPE><STATE>{datastore.state.value}</STATE>"
        f"{ids('CLUSTERS', datastore.cluster_ids)}<TOTAL_MB>{space.total_mib}</TOTAL_MB>"
        f"<FREE_MB>{space.free_mib}</FREE_MB><USED_MB>{space.used_mib}</USED_MB>{ids('IMAGES', image_ids)}"
        f"{body('TEMPLATE', shown)}</DATASTORE>"
    )
