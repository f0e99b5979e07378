"""A template of virtual networks as a record: a description that is kept, to make networks of."""

import msgspec

from trifid.core.access import Permissions
from trifid.core.template.model import Template
from trifid.core.vm.lock import Lock


class VnTemplate(msgspec.Struct, frozen=True):
    """A kept description of a virtual network.

    Attributes:
        regtime: epoch seconds of its registration.
    """

    id: int
    uid: int
    gid: int
    name: str
    regtime: int
    permissions: Permissions = Permissions(0o600)
    lock: Lock | None = None
    template: Template = Template()
