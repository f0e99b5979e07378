"""What those who are no administrators may not write in a description of a VM, on whatever way it comes."""

from urllib.parse import unquote

import msgspec

from trifid.core.access import Caller
from trifid.core.restricted import NOTHING, Restricted, refusal
from trifid.core.template.model import Template, Value
from trifid.core.template.validate import NAMING_FILES, file_paths
from trifid.engine.config import Config
from trifid.errors import NotAllowed


class Limits(msgspec.Struct, frozen=True):
    """What is configured.

    Attributes:
        restricted: attributes of administrators.
        user_paths: where the files lie that others may name; a file that a template names is read as the engine.
    """

    restricted: Restricted
    user_paths: tuple[str, ...] = ()


def limits_of(config: Config) -> Limits:
    """Return what is configured for descriptions of VMs."""
    return Limits(config.restricted.of_vms, tuple(config.engine.user_paths))


def refuse_restricted(caller: Caller, template: Template, limits: Limits, vetted: Template = NOTHING) -> None:
    """Raise NotAllowed for what only administrators may ask.

    Args:
        vetted: what of the template the caller does not ask, because it was kept by somebody who might.  A restricted
            value may move to a vector that is otherwise another one; the path of a file may not, but in CONTEXT: what
            else stands beside it says how the file is read.
    """
    if caller.is_admin:
        return
    if forbidden := limits.restricted.found(template, vetted):
        raise refusal(caller.uid, "VM", forbidden[0])
    looked_at = vetted.only(*NAMING_FILES)
    asked = Template(tuple(pair for pair in template.only(*NAMING_FILES) if not _is_there(looked_at, *pair)))
    for attribute, path in file_paths(asked):
        is_inside = any(path.startswith(f"{place.rstrip('/')}/") for place in limits.user_paths)
        if not is_inside or ".." in unquote(path).split("/"):  # of a URL, as its server reads it
            allowed_places = ", ".join(limits.user_paths) or "none"
            raise NotAllowed(
                f"User [{caller.uid}] : VM Template includes a restricted attribute {attribute}: {path} lies outside "
                f"the places that users may name ({allowed_places}), see user_paths in trifid.toml."
            )


def _is_there(looked_at: Template, name: str, value: Value) -> bool:
    if name == "CONTEXT" and isinstance(value, dict):
        return any(one.get("FILES") == value.get("FILES") for one in looked_at.vectors(name))
    return (name, value) in looked_at.pairs
