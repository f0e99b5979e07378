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
    """

    id: int
    uid: int
    gid: int
    name: str
    regtime: int
    permissions: Permissions = Permissions(0o600)
    lock: Lock | None = None
    template: Template = Template()
