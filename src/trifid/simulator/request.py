"""A call that somebody is about to make."""

from typing import Any, Literal

import msgspec

NETWORK = "lan"
"""The network that there is."""
APART = "apart"
"""The role, of the VM group that there is, whose VMs are kept apart."""


class Request(msgspec.Struct, frozen=True):
    """One call to come.

    Attributes:
        vm_id, image_id: what it is about, -1 when it is about none yet.
        needs_admin: only an administrator may.
        is_quiet: it may succeed without any change.
        makes: what the answer is the id of.
        ends: names of the disks whose end it asks for, "" for all.
        deletes: the images whose end it asks for.
        name: that the VM or the image has once it is acknowledged.
        forgets: what remains of the VM or image outside is nobody's fault any more.
    """

    method: str
    arguments: tuple[Any, ...]
    vm_id: int = -1
    needs_admin: bool = False
    is_quiet: bool = False
    ends: tuple[str, ...] = ()
    name: str = ""
    forgets: bool = False
    image_id: int = -1
    makes: Literal["", "vm", "image"] = ""
    deletes: tuple[int, ...] = ()
