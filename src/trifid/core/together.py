"""What a VM needs beside a host, and in which clusters that is: a VM runs only where all of it is.

A network or datastore may belong to several clusters; one that belongs to none is of no use to any VM, as
upstream has it.  Nothing of this is stored with a VM: it is told of the records when somebody asks, so that it
is never old.

Source: reference/templates.md §5.1 (AUTOMATIC_REQUIREMENTS).
"""

import re
from collections.abc import Callable, Iterable

import msgspec

from trifid.core.image.datastore import Datastore
from trifid.core.network.record import Network
from trifid.core.template.model import Template

REQUIREMENTS = "AUTOMATIC_REQUIREMENTS"
_NOWHERE = f"CLUSTER_ID = {-1}"
_CLUSTER = re.compile(r"CLUSTER_ID = (-?[0-9]+)")


class Part(msgspec.Struct, frozen=True):
    """Something that a VM needs.

    Attributes:
        name: as messages call it: `network lan [4]`.
        cluster_ids: the clusters that it is in.
    """

    name: str
    cluster_ids: tuple[int, ...]


def parts_of(
    template: Template, network_of: Callable[[int], Network | None], datastore_of: Callable[[int], Datastore | None]
) -> list[Part]:
    """Return the networks of a VM's NICs, and the datastores of its disks' images; each once."""
    found: dict[tuple[str, int], Part] = {}
    for number in _numbers(template, "NIC", "NETWORK_ID"):
        network = network_of(number)
        if network is not None:
            found["NIC", number] = Part(f"network {network.name} [{number}]", network.cluster_ids)
    for number in _numbers(template, "DISK", "DATASTORE_ID"):
        datastore = datastore_of(number)
        if datastore is not None:
            found["DISK", number] = Part(f"datastore {datastore.name} [{number}]", datastore.cluster_ids)
    return list(found.values())


def _numbers(template: Template, vector: str, key: str) -> list[int]:
    texts = (one.get(key, "") for one in template.vectors(vector))
    return [int(text) for text in texts if text.isascii() and text.isdecimal()]


def common(parts: Iterable[Part]) -> frozenset[int] | None:
    """Return the clusters that have all parts; None when nothing is needed, so that any will do."""
    found: frozenset[int] | None = None
    for part in parts:
        found = frozenset(part.cluster_ids) if found is None else found.intersection(part.cluster_ids)
    return found


def requirement(cluster_ids: frozenset[int] | None) -> str:
    """Return AUTOMATIC_REQUIREMENTS: which hosts are in one of these clusters; empty for any."""
    if cluster_ids is None:
        return ""
    return f"({' | '.join(f'CLUSTER_ID = {one}' for one in sorted(cluster_ids)) or _NOWHERE})"


def clusters_of(text: str) -> frozenset[int] | None:
    """Return the clusters that a text made by `requirement` names; None for any."""
    return frozenset(int(number) for number in _CLUSTER.findall(text) if int(number) >= 0) if text.strip() else None


def where(part: Part, called: Callable[[int], str]) -> str:
    """Return a part and its clusters, for messages.

    Args:
        called: id of a cluster -> as messages call it.
    """
    if not part.cluster_ids:
        return f"{part.name} is in no cluster"
    plural = "s" if len(part.cluster_ids) > 1 else ""
    return f"{part.name} is in cluster{plural} {', '.join(map(called, sorted(part.cluster_ids)))}"


def outside(parts: Iterable[Part], cluster_id: int) -> list[Part]:
    """Return what of the parts is not in a cluster."""
    return [part for part in parts if cluster_id not in part.cluster_ids]
