"""VM templates that are kept: what is taken into one, and what a VM made of it gets.

Source: reference/api-modern.md §2 (texts), §4 (VM templates).
"""

import re

from trifid.core.template.inputs import INPUTS_ORDER, USER_INPUTS
from trifid.core.template.model import Template, Value
from trifid.core.template.validate import check_name, check_values
from trifid.core.vm_template import VmTemplate
from trifid.errors import BadTemplate

NOT_OF_THE_VM = (USER_INPUTS, INPUTS_ORDER, "TEMPLATE_ID")
"""What a VM does not take over from the template that it is made of; TEMPLATE_ID becomes its own."""

_REFERENCE = re.compile(r"\$\{?(\w+)")
_NOT_THE_CALLERS = frozenset(("VMID", "UID", "GID", "UNAME", "GNAME"))
"""References whose values nobody chooses who instantiates a template."""


def name_of(template: Template) -> str:
    """Return the name that a template is to be kept by; raises BadTemplate (texts: api-modern.md §2)."""
    name = template.single("NAME").strip()
    if not name:
        raise BadTemplate("Invalid NAME, it cannot be empty")
    check_name(name)
    return name


def kept(template: Template) -> Template:
    """Return the attributes to keep: all but NAME, which is the record's.

    A template may lack what a VM must have, as CPU: the extra template of an instantiation can bring it.

    Raises:
        BadTemplate: a declared attribute has a value that it does not take.
    """
    attributes = template.without("NAME")
    check_values(attributes)
    return attributes


def vm_template(template: VmTemplate, extra: Template, name: str = "") -> Template:
    """Return the template of a VM that is made of a kept one.

    An attribute of `extra` replaces all of the same name: one DISK there stands instead of all DISKs of the kept
    template, as upstream merges them.

    Args:
        name: of the VM; empty = the NAME in `extra`, if any.
    """
    merged = template.template.merged(extra).without(*NOT_OF_THE_VM)
    if name:
        merged = merged.replacing("NAME", name)
    return merged.replacing("TEMPLATE_ID", str(template.id))


def vetted(before: Template, after: Template) -> Template:
    """Return what of a kept template was looked at when it was kept, and still means the same.

    Whoever made the template was allowed to write it; who uses or changes it later need not be.  A CONTEXT whose
    FILES refer (`$NAME`) to what is another now is left out: it names other files.

    Args:
        before: as it is kept.
        after: with what a caller changes or adds.
    """
    values_before, values_after = _by_name(before), _by_name(after)
    same = {name for name, values in values_before.items() if values == values_after.get(name)} | _NOT_THE_CALLERS
    return Template(tuple(pair for pair in before if _references(*pair) <= same))


def _by_name(template: Template) -> dict[str, list[Value]]:
    found: dict[str, list[Value]] = {}
    for name, value in template:
        found.setdefault(name, []).append(value)
    return found


def _references(name: str, value: Value) -> set[str]:
    """Return the names that what is guarded in an attribute refers to; only a CONTEXT's references are replaced."""
    guarded = value.get("FILES", "") if name == "CONTEXT" and isinstance(value, dict) else ""
    return {found.upper() for found in _REFERENCE.findall(guarded)}
