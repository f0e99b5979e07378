"""A VM template as a record: a description that is kept, to make VMs of."""

import msgspec

from trifid.core.access import Permissions
from trifid.core.template.model import Template
from trifid.core.vm.lock import Lock


class VmTemplate(msgspec.Struct, frozen=True):
    """A kept description of a VM.

    Attributes:
        regtime: epoch seconds of its registration.
        template: as the user wrote it; USER_INPUTS and all.
        is_vetted: an administrator wrote it, or saw it last: what is restricted in it counts for whoever uses it.
            Otherwise it has nothing that was restricted when it was written.
    """

    id: int
    uid: int
    gid: int
    name: str
    regtime: int
    permissions: Permissions = Permissions(0o600)
    lock: Lock | None = None
    template: Template = Template()
    is_vetted: bool = True
