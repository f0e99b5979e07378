"""one.datastore.* and one.datastorepool.info."""

from msgspec.structs import replace

from trifid.core.access import Permissions, Right, check
from trifid.core.image import define_datastore as define
from trifid.core.image.datastore import Datastore, DatastoreState, DatastoreType
from trifid.engine.clusters import chosen
from trifid.engine.first_permissions import first_permissions
from trifid.engine.transaction import Draft
from trifid.errors import Refused, TrifidError
from trifid.methods.common import changed, listed, parse_allocate, read, refuse_taken, updated
from trifid.methods.ownership import Owned, declare_ownership
from trifid.methods.registry import Call, method
from trifid.wire.xmlrpc import Escaped

_SHOWN_MAX = 5
_GROUP_USES = 0o040
"""The group of a datastore uses it, whatever the umask of who makes it says (reference/api-modern.md §5.1)."""


class CannotDisable(TrifidError):
    """Only system datastores are disabled; told with a code of its own (reference/api-modern.md §7.10)."""

    code = 0x2000


def _known(call: Call) -> define.Known:
    drivers = call.engine.drivers
    return define.Known(tuple(drivers.names("ds")), tuple(drivers.names("tm")), call.engine.config.engine.transfer)


@method("one.datastore.allocate")
async def allocate(call: Call, template: str, cluster_id: int) -> int:
    """Add a datastore: for images (TYPE=IMAGE_DS), plain files (FILE_DS) or the files of VMs (SYSTEM_DS)."""
    check(call.caller, Right.CREATE, "DATASTORE")
    parsed = parse_allocate(template)

    def command(draft: Draft) -> int:
        caller = call.caller
        datastore = define.define(
            parsed, datastore_id=draft.next_id("datastore"), uid=caller.uid, gid=caller.gid, known=_known(call)
        )
        opened = Permissions(first_permissions(draft, caller).bits | _GROUP_USES)
        datastore = replace(datastore, cluster_ids=(chosen(draft, call.caller, cluster_id),), permissions=opened)
        refuse_taken(draft, "DATASTORE", datastore.name, uid=datastore.uid)
        draft.put(datastore)
        draft.note("DATASTORE", datastore.id, caller, "allocated", new=datastore.state.name, text=datastore.name)
        return datastore.id

    return await call.ask(command)


@method("one.datastore.delete")
async def delete(call: Call, datastore_id: int) -> int:
    """Delete a datastore that has no image and in which no VM has files; its directory stays."""

    def command(draft: Draft) -> int:
        datastore = draft.datastore(datastore_id)
        check(call.caller, Right.ADMIN, "DATASTORE", datastore)
        for what, ids in (("images", draft.images_in(datastore_id)), ("VMs", _vms_with_files_in(draft, datastore_id))):
            if ids:
                some = ", ".join(str(one) for one in sorted(ids)[:_SHOWN_MAX])
                raise Refused(
                    f"Datastore {datastore_id} is not empty: {datastore.name} has {len(ids)} {what} ({some}): "
                    "delete or move them first",
                    datastore_id,
                )
        draft.delete("datastores", datastore_id)
        draft.note("DATASTORE", datastore_id, call.caller, "deleted", datastore.state.name, text=datastore.name)
        return datastore_id

    return await call.ask(command)


def _vms_with_files_in(draft: Draft, datastore_id: int) -> set[int]:
    """Return the VMs whose files are in a system datastore: those that are there, were saved there or are off there."""
    return {vm.id for vm in draft.each("vms") if vm.history and vm.current.datastore_id == datastore_id}


@method("one.datastore.info")
async def info(call: Call, datastore_id: int, decrypt: bool = False) -> Escaped:
    """Answer a datastore's document, with its room and its images."""
    datastore = read(call.engine.turns.memory.datastores, "datastores", datastore_id)
    check(call.caller, Right.USE, "DATASTORE", datastore)
    return call.engine.documents.datastore(datastore)


@method("one.datastorepool.info")
async def pool(call: Call) -> Escaped:
    """Answer all datastores that the caller may see."""
    found = listed(call.engine.turns.memory.datastores.values(), call.caller, "DATASTORE", -2, -1, -1)
    return call.engine.documents.datastore_pool(found)


@method("one.datastore.update")
async def update(call: Call, datastore_id: int, template: str, append: int = 0) -> int:
    """Replace (0) or extend (1) the attributes of a datastore; its drivers and places only while it is empty."""

    def change(draft: Draft, datastore: Datastore) -> Datastore:
        return define.updated(
            datastore,
            updated(datastore.template, template, append),
            uid=call.caller.uid,
            is_admin=call.caller.is_admin,
            is_used=bool(draft.images_in(datastore_id) or _vms_with_files_in(draft, datastore_id)),
            known=_known(call),
        )

    return await changed(call, "DATASTORE", datastore_id, Right.MANAGE, "updated", change)


declare_ownership(Owned("one.datastore", "DATASTORE", "datastore_id", "a datastore"))


@method("one.datastore.enable")
async def enable(call: Call, datastore_id: int, enabled: bool) -> int:
    """Enable or disable a system datastore: no VM is placed in a disabled one."""

    def change(draft: Draft, datastore: Datastore) -> Datastore:
        if datastore.type is not DatastoreType.SYSTEM:
            raise CannotDisable(
                f"Only SYSTEM datastores can be enabled or disabled, {datastore.name} is {datastore.type.name}",
                datastore_id,
            )
        return replace(datastore, state=DatastoreState.READY if enabled else DatastoreState.DISABLED)

    return await changed(call, "DATASTORE", datastore_id, Right.MANAGE, "enabled" if enabled else "disabled", change)
