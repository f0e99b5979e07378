"""one.cluster.* and one.clusterpool.info: hosts, datastores and networks that belong together.

Source: reference/api-modern.md §2 (texts), §3 (the pool), §4 (clusters).
"""

from collections.abc import Callable

from msgspec.structs import replace

from trifid.core.access import Right, check
from trifid.core.cluster import DEFAULT_ID, FIRST_FREE_ID, Cluster
from trifid.core.host import Host
from trifid.core.image.datastore import Datastore
from trifid.core.network.record import Network
from trifid.engine.clusters import named, refuse_left, refuse_moved_host
from trifid.engine.transaction import Draft
from trifid.errors import NotAllocated, Refused
from trifid.methods.common import POOLS, changed, listed, name_checked, read, refuse_taken, updated
from trifid.methods.ownership import Owned, declare_rename, refuse_name_of_any
from trifid.methods.registry import Call, method
from trifid.wire.xmlrpc import Escaped

KIND = "CLUSTER"
_SHOWN_MAX = 5
_WORDS = {"HOST": "host", "DATASTORE": "datastore", "NET": "network"}


class ClusterNotAllocated(NotAllocated):
    """Clusters are refused with a code and a prefix of their own (reference/api-modern.md §2)."""

    code = 0x4000

    def __init__(self, reason: str) -> None:
        super().__init__(f"Error allocating a new cluster. {reason}")


@method("one.cluster.allocate")
async def allocate(call: Call, name: str) -> int:
    """Add a cluster; nothing is in it."""
    check(call.caller, Right.CREATE, KIND)
    try:
        name = name_checked(name)
    except Refused as bad:
        raise ClusterNotAllocated(bad.message) from bad

    def command(draft: Draft) -> int:
        refuse_taken(draft, KIND, name, error=ClusterNotAllocated)
        made = Cluster(draft.next_id("cluster"), name)
        draft.put(made)
        draft.note(KIND, made.id, call.caller, "allocated", text=name)
        return made.id

    return await call.ask(command)


@method("one.cluster.delete")
async def delete(call: Call, cluster_id: int) -> int:
    """Delete a cluster in which nothing is."""

    def command(draft: Draft) -> int:
        cluster = draft.cluster(cluster_id)
        check(call.caller, Right.ADMIN, KIND, cluster)
        if cluster_id < FIRST_FREE_ID:
            raise Refused(
                f"Cannot delete cluster. System Clusters (ID < {FIRST_FREE_ID}) cannot be deleted.", cluster_id
            )
        for kind, word in _WORDS.items():
            ids = sorted(one.id for one in draft.each(POOLS[kind]) if cluster_id in _clusters_of(one))
            if ids:
                some = ", ".join(map(str, ids[:_SHOWN_MAX]))
                raise Refused(
                    f"Cannot delete cluster. Cluster {cluster_id} is not empty, it contains {word}s ({some})",
                    cluster_id,
                )
        draft.delete("clusters", cluster_id)
        draft.note(KIND, cluster_id, call.caller, "deleted", text=cluster.name)
        return cluster_id

    return await call.ask(command)


def _clusters_of(member: Host | Datastore | Network) -> tuple[int, ...]:
    return (member.cluster_id,) if isinstance(member, Host) else member.cluster_ids


@method("one.cluster.info")
async def info(call: Call, cluster_id: int, decrypt: bool = False) -> Escaped:
    """Answer a cluster's document, with what is in it."""
    cluster = read(call.engine.turns.memory.clusters, "clusters", cluster_id)
    check(call.caller, Right.USE, KIND, cluster)
    return call.engine.documents.cluster(cluster)


@method("one.clusterpool.info")
async def pool(call: Call) -> Escaped:
    """Answer all clusters that the caller may see."""
    clusters = listed(call.engine.turns.memory.clusters.values(), call.caller, KIND, -2, -1, -1)
    return call.engine.documents.cluster_pool(clusters)


@method("one.cluster.update")
async def update(call: Call, cluster_id: int, template: str, append: int = 0) -> int:
    """Replace (0) or extend (1) the attributes of a cluster; RESERVED_CPU and RESERVED_MEM hold for its hosts."""

    def change(draft: Draft, cluster: Cluster) -> Cluster:
        return replace(cluster, template=updated(cluster.template, template, append))

    return await changed(call, KIND, cluster_id, Right.MANAGE, "updated", change)


declare_rename(Owned("one.cluster", KIND, "cluster_id", "a cluster", refuse_name=refuse_name_of_any))


# -- members -----------------------------------------------------------------------------------------


async def _moved(
    call: Call, cluster_id: int, kind: str, member_id: int, move: Callable[[Draft, Cluster], Host | Datastore | Network]
) -> int:
    """Change to which clusters something belongs; both must be the caller's to administer.

    Args:
        move: returns the member as it shall be; the same when nothing changes.
    """

    def command(draft: Draft) -> int:
        cluster = draft.cluster(cluster_id)
        check(call.caller, Right.ADMIN, KIND, cluster)
        before = draft.record(POOLS[kind], member_id)
        check(call.caller, Right.ADMIN, kind, before)
        after = move(draft, cluster)
        if after != before:
            draft.put(after)
            old, new = (",".join(map(str, _clusters_of(one))) for one in (before, after))
            draft.note(kind, member_id, call.caller, "cluster changed", old, new, text=before.name)
        return cluster_id

    return await call.ask(command)


@method("one.cluster.addhost")
async def add_host(call: Call, cluster_id: int, host_id: int) -> int:
    """Put a host into a cluster; it leaves the one that it is in."""
    return await _moved(call, cluster_id, "HOST", host_id, lambda draft, to: _host_in(draft, host_id, cluster_id))


@method("one.cluster.delhost")
async def remove_host(call: Call, cluster_id: int, host_id: int) -> int:
    """Take a host out of a cluster: it is in the default one then."""

    def move(draft: Draft, cluster: Cluster) -> Host:
        host = draft.host(host_id)
        if host.cluster_id != cluster_id:
            raise _not_in(f"host {host.name} [{host_id}]", cluster, named(draft, host.cluster_id), host_id)
        return _host_in(draft, host_id, DEFAULT_ID)

    return await _moved(call, cluster_id, "HOST", host_id, move)


def _host_in(draft: Draft, host_id: int, cluster_id: int) -> Host:
    host = draft.host(host_id)
    if host.cluster_id != cluster_id:
        refuse_moved_host(draft, host, cluster_id)
    return replace(host, cluster_id=cluster_id)


def _not_in(member: str, cluster: Cluster, present: str, object_id: int) -> Refused:
    return Refused(f"{member} is not in cluster {cluster.name} [{cluster.id}], but in {present or 'none'}", object_id)


@method("one.cluster.adddatastore")
async def add_datastore(call: Call, cluster_id: int, datastore_id: int) -> int:
    """Put a datastore into a cluster; it stays in the others."""
    return await _joined(call, cluster_id, "DATASTORE", datastore_id)


@method("one.cluster.deldatastore")
async def remove_datastore(call: Call, cluster_id: int, datastore_id: int) -> int:
    """Take a datastore out of a cluster; one that is in none serves no VM."""
    return await _left(call, cluster_id, "DATASTORE", datastore_id)


@method("one.cluster.addvnet")
async def add_network(call: Call, cluster_id: int, network_id: int) -> int:
    """Put a virtual network into a cluster; it stays in the others."""
    return await _joined(call, cluster_id, "NET", network_id)


@method("one.cluster.delvnet")
async def remove_network(call: Call, cluster_id: int, network_id: int) -> int:
    """Take a virtual network out of a cluster; one that is in none serves no VM."""
    return await _left(call, cluster_id, "NET", network_id)


async def _joined(call: Call, cluster_id: int, kind: str, member_id: int) -> int:
    def move(draft: Draft, cluster: Cluster) -> Datastore | Network:
        member: Datastore | Network = draft.record(POOLS[kind], member_id)
        return replace(member, cluster_ids=tuple(sorted({*member.cluster_ids, cluster_id})))

    return await _moved(call, cluster_id, kind, member_id, move)


async def _left(call: Call, cluster_id: int, kind: str, member_id: int) -> int:
    def move(draft: Draft, cluster: Cluster) -> Datastore | Network:
        member: Datastore | Network = draft.record(POOLS[kind], member_id)
        if cluster_id not in member.cluster_ids:
            present = ", ".join(named(draft, one) for one in member.cluster_ids)
            raise _not_in(f"{_WORDS[kind]} {member.name} [{member_id}]", cluster, present, member_id)
        refuse_left(draft, member, cluster_id)
        return replace(member, cluster_ids=tuple(one for one in member.cluster_ids if one != cluster_id))

    return await _moved(call, cluster_id, kind, member_id, move)
