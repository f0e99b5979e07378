"""A VM's document as the driver reads it: single attributes and vectors by name."""

import contextlib
from collections.abc import Iterator
from typing import Any

import msgspec

from trifid.core.template.attributes import BESIDE_MACHINE
from trifid.drivers.kit import Failure
from trifid.errors import BadTemplate
from trifid.wire.elements import BadDocument, one_element, several

Vector = dict[str, str]


class Attributes:
    """The attributes of a TEMPLATE or USER_TEMPLATE element."""

    def __init__(self, element: Any) -> None:
        self._values: dict[str, Any] = element if isinstance(element, dict) else {}

    def single(self, name: str, default: str = "") -> str:
        """Return the text of a single attribute."""
        for value in several(self._values.get(name)):
            if isinstance(value, str) and value:
                return value
        return default

    def vectors(self, name: str) -> list[Vector]:
        """Return every vector of a name, in order."""
        found = [value for value in several(self._values.get(name)) if isinstance(value, dict)]
        return [{key: value for key, value in vector.items() if isinstance(value, str)} for vector in found]

    def vector(self, name: str) -> Vector:
        """Return the first vector of a name, or an empty one."""
        return next(iter(self.vectors(name)), {})

    def marked(self, name: str, key: str, value: str = "") -> Vector:
        """Return the vector that a request is about: it has a key, with this value if one is given.

        Raises:
            Failure: there is none.
        """
        for vector in self.vectors(name):
            if vector.get(key) and (not value or vector[key].upper() == value):
                return vector
        raise Failure(f"the request marks no {name} with {key}{f'={value}' if value else ''}, so nothing can be done")


class VmDocument(msgspec.Struct, frozen=True):
    """What a driver needs to know about a VM.

    Attributes:
        stime: epoch seconds of its submission, as text.
        run_since: epoch seconds when its newest stay on a host began to run, as text; empty if unknown.
        deploy_id: the hypervisor's name for it, empty until it was deployed.
        engine_id: of the engine whose VM it is; empty when the driver was not told.
        template, user_template: its two templates (reference/templates.md §2); what describes the machine and lives
            in USER_TEMPLATE is in both.
    """

    id: int
    name: str
    uid: str
    gid: str
    uname: str
    gname: str
    stime: str
    run_since: str
    deploy_id: str
    engine_id: str
    template: Attributes
    user_template: Attributes

    @property
    def domain_name(self) -> str:
        """The name of its domain (reference/drivers.md §7.2); an imported one keeps the name that it had."""
        return self.deploy_id if self.is_imported and self.deploy_id else f"one-{self.id}"

    @property
    def is_imported(self) -> bool:
        """Whether somebody else made its domain; the engine ends it, and leaves its definition and disks alone."""
        return self.template.single("IMPORTED") == "YES"


def parse_vm(document: str, engine_id: str = "") -> VmDocument:
    """Return what a VM document of an engine says.

    Raises:
        Failure: it is none.
    """
    try:
        vm = one_element(document, "VM")
        vm_id = int(vm.get("ID", ""))
    except (BadDocument, ValueError, TypeError) as fault:
        raise Failure(f"the request has no readable VM document: {fault}") from fault
    user = vm.get("USER_TEMPLATE")
    beside = {name: value for name, value in user.items() if name in BESIDE_MACHINE} if isinstance(user, dict) else {}
    machine = vm.get("TEMPLATE")
    template = Attributes({**(machine if isinstance(machine, dict) else {}), **beside})
    text = {name: value for name, value in vm.items() if isinstance(value, str)}
    history = vm.get("HISTORY_RECORDS")
    records = several(history.get("HISTORY")) if isinstance(history, dict) else []
    return VmDocument(
        id=vm_id,
        name=text.get("NAME", ""),
        uid=text.get("UID", ""),
        gid=text.get("GID", ""),
        uname=text.get("UNAME", ""),
        gname=text.get("GNAME", ""),
        stime=text.get("STIME", "0"),
        run_since=records[-1].get("RSTIME", "") if records else "",
        deploy_id=text.get("DEPLOY_ID", ""),
        engine_id=engine_id,
        template=template,
        user_template=Attributes(user),
    )


@contextlib.contextmanager
def refused_by_name() -> Iterator[None]:
    """Make what a block refuses of a template the failure of a request, by the name of the attribute."""
    try:
        yield
    except BadTemplate as bad:
        raise Failure(bad.message) from bad


def snapshot_name(vector: Vector) -> str:
    """Return the hypervisor's name for a SNAPSHOT."""
    return vector.get("HYPERVISOR_ID") or f"snap-{vector.get('SNAPSHOT_ID', '')}"
