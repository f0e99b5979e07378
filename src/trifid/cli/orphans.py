"""`orphans` of images and networks: what nothing uses, and no template names."""

from collections.abc import Callable, Iterator
from typing import Any

from trifid.cli.columns import Row
from trifid.cli.kinds import VM_TEMPLATE
from trifid.cli.shell import Shell


def unnamed_in_templates(shell: Shell, vector: str, what: str) -> Callable[[Row], bool]:
    """Return the test of an object that no VM template names.

    Args:
        vector: DISK or NIC.
        what: IMAGE or NETWORK: how they name it, by its id or by its name and its owner.
    """
    ids: set[str] = set()
    names: set[tuple[str, str]] = set()
    for template in shell.each(VM_TEMPLATE):
        for one in _vectors(template, vector):
            if one.get(f"{what}_ID"):
                ids.add(one[f"{what}_ID"])
            elif one.get(what):
                # Whose it is: told by name, told by id, else that of the template's owner.
                owner = one.get(f"{what}_UNAME") or one.get(f"{what}_UID") or template["UNAME"]
                names.add((one[what], owner))

    def is_unnamed(row: Row) -> bool:
        owners = (row["UNAME"], row["UID"])
        return row["ID"] not in ids and not any((row["NAME"], owner) in names for owner in owners)

    return is_unnamed


def _vectors(template: dict[str, Any], name: str) -> Iterator[dict[str, str]]:
    from trifid.wire.elements import several

    body = template.get("TEMPLATE")
    for one in several(body.get(name)) if isinstance(body, dict) else []:
        if isinstance(one, dict):
            yield one
