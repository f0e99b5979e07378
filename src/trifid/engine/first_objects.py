"""What is in a new database before anybody has made anything (reference/api-modern.md §7.12–13)."""

from trifid.core import cluster, vdc
from trifid.core.access import ENGINE, ONEADMIN_GID, USERS_GID, Permissions, Right
from trifid.core.acl import ALL, GROUP, words
from trifid.core.image.datastore import DEFAULT_ID, FILES_ID, FIRST_FREE_ID, SYSTEM_ID, Datastore, DatastoreType
from trifid.core.network import security_group
from trifid.core.template.model import template
from trifid.core.user import Group, User
from trifid.engine.access_rules import put_rule
from trifid.engine.auth import hash_password
from trifid.engine.config import Config
from trifid.engine.transaction import Draft

FIRST_FREE_GROUP_ID = 100
_ONEADMIN_UID = 0
_PREFERRED = "fs"
"""The driver of the first image datastores, where it is configured."""
_USABLE_BY_ALL = Permissions(0o604)
_EVERYTHING_PASSES = template(
    DESCRIPTION="Of every NIC for which neither it nor its network names another: lets everything pass",
    RULE=[{"PROTOCOL": "ALL", "RULE_TYPE": "outbound"}, {"PROTOCOL": "ALL", "RULE_TYPE": "inbound"}],
)

_FIRST_RULES = (
    words(GROUP | USERS_GID, "VM+IMAGE+TEMPLATE+DOCUMENT+SECGROUP+VROUTER+VMGROUP+BACKUPJOB", ALL, Right.CREATE),
    words(ALL, "ZONE", ALL, Right.USE),
    words(ALL, "MARKETPLACE+MARKETPLACEAPP", ALL, Right.USE),
)
"""As in a new installation of today's engine, but that users make no networks (docs/decisions/0014)."""


def first_users(draft: Draft, oneadmin: str) -> None:
    """Make groups 0 and 1 and users 0 and 1, once.

    Args:
        oneadmin: `name:password` of the first administrator.
    """
    if draft.memory.users:
        return
    name, _, password = oneadmin.partition(":")
    for gid, group in ((ONEADMIN_GID, "oneadmin"), (USERS_GID, "users")):
        draft.put(Group(id=gid, name=group))
    draft.put(User(id=draft.next_id("user"), name=name, gids=(ONEADMIN_GID,), password=hash_password(password)))
    draft.put(User(id=draft.next_id("user"), name="serveradmin", gids=(ONEADMIN_GID,), auth_driver="server_cipher"))
    draft.batch.counters["group"] = FIRST_FREE_GROUP_ID
    draft.note("ENGINE", 0, ENGINE, "first start", text=f"user {name} made")


def first_datastores(draft: Draft, config: Config) -> None:
    """Make datastores 0, 1 and 2 when there are none: in a new database, or one of an engine that had no catalogue."""
    if draft.memory.datastores:
        return
    ds_mad = first_ds_mad(config)
    for number, name, kind in (
        (SYSTEM_ID, "system", DatastoreType.SYSTEM),
        (DEFAULT_ID, "default", DatastoreType.IMAGE),
        (FILES_ID, "files", DatastoreType.FILE),
    ):
        draft.put(
            Datastore(
                id=number,
                uid=_ONEADMIN_UID,
                gid=ONEADMIN_GID,
                name=name,
                type=kind,
                ds_mad="" if kind is DatastoreType.SYSTEM else ds_mad,
                tm_mad=config.engine.transfer,
            )
        )
    draft.batch.counters["datastore"] = max(FIRST_FREE_ID, draft.memory.counters.get("datastore", 0))
    draft.note("ENGINE", 0, ENGINE, "first start", text="datastores system, default and files made")


def first_cluster(draft: Draft) -> None:
    """Make cluster 0 when there is none: in a new database, or one of an engine that had one cluster and no record."""
    if cluster.DEFAULT_ID in draft.memory.clusters:
        return
    draft.put(cluster.Cluster(cluster.DEFAULT_ID, cluster.DEFAULT_NAME))
    draft.batch.counters["cluster"] = max(cluster.FIRST_FREE_ID, draft.memory.counters.get("cluster", 0))
    draft.note("ENGINE", 0, ENGINE, "first start", text=f"cluster {cluster.DEFAULT_NAME} made")


def first_security_group(draft: Draft) -> None:
    """Make security group 0 when there is none: everything may pass, and everybody may use it."""
    if security_group.DEFAULT_ID in draft.memory.security_groups:
        return
    draft.put(
        security_group.SecurityGroup(
            id=security_group.DEFAULT_ID,
            uid=_ONEADMIN_UID,
            gid=ONEADMIN_GID,
            name=security_group.DEFAULT_NAME,
            permissions=_USABLE_BY_ALL,
            template=_EVERYTHING_PASSES,
        )
    )
    draft.batch.counters["secgroup"] = max(security_group.FIRST_FREE_ID, draft.memory.counters.get("secgroup", 0))
    draft.note("ENGINE", 0, ENGINE, "first start", text=f"security group {security_group.DEFAULT_NAME} made")


def first_access(draft: Draft) -> None:
    """Make the first access rules and virtual data centre 0, once: what an administrator removes stays removed.

    In the database of an engine that had none all groups are in it: their VMs go on.  Networks that are there already,
    and datastores beyond the first, are not: who may use one was said by its permissions alone.
    """
    counters = draft.memory.counters
    if "acl" not in counters:
        draft.batch.counters["acl"] = 0
        for said in _FIRST_RULES:
            put_rule(draft, said)
    if "vdc" not in counters:
        everything = ((vdc.THIS_ZONE_ID, vdc.ALL),)
        gids = tuple(sorted(group.id for group in draft.each("groups") if group.id != ONEADMIN_GID))
        first_ids = [one for one in (SYSTEM_ID, DEFAULT_ID, FILES_ID) if one in draft.memory.datastores]
        if draft.memory.networks or len(draft.memory.datastores) > len(first_ids):
            datastores = tuple((vdc.THIS_ZONE_ID, one) for one in first_ids)
            first = vdc.Vdc(vdc.DEFAULT_ID, vdc.DEFAULT_NAME, gids, hosts=everything, datastores=datastores)
        else:
            first = vdc.Vdc(vdc.DEFAULT_ID, vdc.DEFAULT_NAME, gids, clusters=everything)
        draft.put(first)
        draft.batch.counters["vdc"] = vdc.FIRST_FREE_ID
        draft.note("ENGINE", 0, ENGINE, "first start", text=f"access rules and VDC {vdc.DEFAULT_NAME} made")


def first_ds_mad(config: Config) -> str:
    """Return the name of the datastore driver that the first datastores get."""
    configured = config.drivers.ds
    return _PREFERRED if _PREFERRED in configured else next(iter(configured), _PREFERRED)
