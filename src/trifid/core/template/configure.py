"""What updateconf makes of a VM's template: what the machine is told at its next boot.

Source: reference/api-modern.md §4 (vm.updateconf), §7.5.
"""

from trifid.core.restricted import WHOLE, Restricted
from trifid.core.template.attributes import BY_NAME
from trifid.core.template.model import Template, Value
from trifid.core.template.validate import check_values
from trifid.errors import BadTemplate

CONFIGURABLE = (
    "OS",
    "FEATURES",
    "INPUT",
    "GRAPHICS",
    "VIDEO",
    "RAW",
    "CPU_MODEL",
    "TPM",
    "WATCHDOG",
    "CONSOLE",
    "CONTEXT",
)
_OF_ENGINE = ("DISK_ID", "TARGET", "CIDATA_TARGET")
"""Keys of CONTEXT that stay: its images keep their places among the disks."""

Vector = dict[str, str]


def changes(old: Template, given: Template) -> Template:
    """Return what of `given` is not in `old` already: attributes, and keys of those that stand once.

    Clients send back the whole configuration after it was edited; what stayed as it was is nobody's wish.
    """
    pairs: list[tuple[str, Value]] = []
    for name, value in given:
        if not isinstance(value, dict) or BY_NAME[name].repeatable:
            if value not in old.all(name):
                pairs.append((name, value))
            continue
        before = old.vector(name)
        if differs := {key: text for key, text in value.items() if before.get(key) != text}:
            pairs.append((name, differs))
    return Template(tuple(pairs))


def check_configuration(old: Template, given: Template) -> None:
    """Return when `given` can be the configuration of a VM.

    Raises:
        BadTemplate: an attribute that is no configuration, a value that it does not take, or a CONTEXT for
            a VM that was made without one.
    """
    for name, value in given:
        if name not in CONFIGURABLE:
            raise BadTemplate(f"{name} is not changed by updateconf, which takes {', '.join(CONFIGURABLE)}")
        if not isinstance(value, dict) and value:
            raise BadTemplate(f"{name} must be a vector, {name} = [ KEY = value ]")
    check_values(Template(tuple(pair for pair in given if pair[1])))
    uuid = old.vector("OS").get("UUID", "")
    if given.vector("OS").get("UUID", uuid) != uuid:
        raise BadTemplate("OS UUID is not changed by updateconf: hypervisors know the machine by it")
    if given.vector("CONTEXT") and "CONTEXT" not in old:
        raise BadTemplate("CONTEXT cannot be added to a VM that was made without one: make another VM")


def configured(old: Template, given: Template, *, merges: bool, is_admin: bool, restricted: Restricted) -> Template:
    """Return a template with another configuration.

    What only administrators set stays when somebody else leaves it out, and CONTEXT stays in any case
    unless another one is given: its image is there.

    Args:
        merges: keys that are not given stay as they were, as do attributes.
        restricted: what only administrators change.
    """
    new = old
    for name in CONFIGURABLE:
        if name not in given and (merges or name == "CONTEXT"):
            continue
        vectors = given.vectors(name)
        if BY_NAME[name].repeatable:
            kept = [] if is_admin else [one for one in old.vectors(name) if _guarded(restricted, name, one)]
            new = new.replacing(name, *vectors, *(one for one in kept if not merges and one not in vectors))
            continue
        vector = {**_kept(restricted, name, old.vector(name), merges, is_admin), **(vectors[0] if vectors else {})}
        if name == "OS" and "UUID" in old.vector("OS"):
            vector["UUID"] = old.vector("OS")["UUID"]
        if name == "CONTEXT":
            vector = {key: text for key, text in vector.items() if key not in _OF_ENGINE}
            vector.update({key: text for key, text in old.vector(name).items() if key in _OF_ENGINE})
        new = new.replacing(name, vector) if vector else new.without(name)
    return new


def _kept(restricted: Restricted, name: str, old: Vector, merges: bool, is_admin: bool) -> Vector:
    """Return the keys that stay although they are not given."""
    if merges:
        return old
    return {} if is_admin else _guarded(restricted, name, old)


def _guarded(restricted: Restricted, name: str, vector: Vector) -> Vector:
    """Return the keys of a vector that only administrators change."""
    keys = restricted.keys(name)
    return {key: text for key, text in vector.items() if WHOLE in keys or key in keys}
