"""A document as a record: what a service keeps here under its own type, and only it knows the meaning of.

A service manager keeps its services as documents of type 100 and their templates as type 101.
Source: reference/api-modern.md §4 (documents), §5.5 (document).
"""

import msgspec

from trifid.core.access import Permissions
from trifid.core.template.model import Template
from trifid.core.vm.lock import Lock


class Document(msgspec.Struct, frozen=True):
    """A document.

    Attributes:
        type: a number that the service chose when it made the document; lists are of one type.
        template: the attributes, as the service wrote them.
    """

    id: int
    uid: int
    gid: int
    name: str
    type: int
    permissions: Permissions = Permissions(0o600)
    lock: Lock | None = None
    template: Template = Template()
