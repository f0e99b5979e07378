"""Limits as people write them:  VM = [ VMS = 10, CPU = 4.5 ]  DATASTORE = [ ID = 1, SIZE = 20480 ].

Source: reference/api-modern.md §4 (user.quota), §5.5 (the QUOTA types); -1 and -2 are upstream's words.
"""

import re
from collections.abc import Mapping
from decimal import Decimal

from trifid.core.quota import DEFAULT, FIGURES, IN_CORES, UNLIMITED, Limits, ResourceLimits
from trifid.core.template.model import Template
from trifid.errors import Refused

RESOURCES_MAX = 1000
"""Resources that one user or group may have limits on."""
FIGURE_MAX = 10**12
CLUSTERS_MAX = 100
_ID_DIGITS_MAX = 9
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,10})?([eE]\+?[0-9]{1,2})?\Z", re.ASCII)
"""Programs that keep figures as floats write 1e+06."""
_NO_NUMBER = Decimal(-3)


def with_limits(old: Limits, template: Template, *, of_all: bool) -> Limits:
    """Return limits after a quota call: figures that the template names are set, all others stay as they are.

    A figure of -1 goes back to the default, and what has only defaults left is forgotten.  Figures that end in _USED
    are what documents tell beside the limits, and are passed over.

    Args:
        of_all: whether they are the defaults of all users or groups, which have no limits for single clusters.

    Raises:
        Refused: an attribute, a figure or an id cannot be; says which, and what can.
    """
    limits = {(one.kind, one.id): dict(one.figures) for one in old.resources}
    for kind, vector in template:
        if kind not in FIGURES or not isinstance(vector, dict):
            raise Refused(f"quota {kind} is not known: {', '.join(FIGURES)} are, each with its figures in brackets")
        key = (kind, _resource(kind, vector, of_all))
        limits[key] = _figures(limits.get(key, {}), kind, vector)
    kept = tuple(ResourceLimits(*key, figures) for key, figures in limits.items() if figures)
    if len(kept) > RESOURCES_MAX:
        raise Refused(f"there would be limits on {len(kept)} resources, {RESOURCES_MAX} are accepted: set some to -1")
    return Limits(kept)


def _resource(kind: str, vector: Mapping[str, str], of_all: bool) -> str:
    """Return the id of what a vector limits; of VM the clusters, lowest first."""
    if kind != "VM":
        return _number(kind, "ID", vector.get("ID", ""))
    clusters = vector.get("CLUSTER_IDS", "").split(",") if vector.get("CLUSTER_IDS", "").strip() else []
    if clusters and of_all:
        raise Refused("CLUSTER_IDS cannot be given for the default quotas, they hold for all clusters together")
    if len(clusters) > CLUSTERS_MAX:
        raise Refused(f"CLUSTER_IDS names {len(clusters)} clusters, {CLUSTERS_MAX} are accepted")
    numbers = {int(_number(kind, "CLUSTER_IDS", cluster)) for cluster in clusters}
    return ",".join(map(str, sorted(numbers)))


def _number(kind: str, key: str, text: str) -> str:
    text = text.strip()
    if not (text.isascii() and text.isdecimal() and len(text) <= _ID_DIGITS_MAX):
        of = "ids of clusters, like 0,101" if key == "CLUSTER_IDS" else f"the id of {kind.lower()}s, like 1"
        raise Refused(f"{key} of quota {kind} must be {of}, is {text[:40]!r}")
    return str(int(text))


def _figures(old: Mapping[str, int], kind: str, vector: Mapping[str, str]) -> dict[str, int]:
    named = dict(old)
    for name, text in vector.items():
        if name in ("ID", "CLUSTER_IDS") or (name.removesuffix("_USED") in FIGURES[kind] and name.endswith("_USED")):
            continue
        if name not in FIGURES[kind]:
            raise Refused(f"{name} of quota {kind} is not known: {', '.join(FIGURES[kind])} can be limited")
        named[name] = _figure(kind, name, text)
    return {name: named[name] for name in FIGURES[kind] if named.get(name, DEFAULT) != DEFAULT}


def _figure(kind: str, name: str, text: str) -> int:
    """Return a limit, of CPU in percent."""
    text = text.strip()
    number = Decimal(text) if _NUMBER.match(text) else _NO_NUMBER
    if number in (DEFAULT, UNLIMITED):
        return int(number)
    scaled = number * 100 if name in IN_CORES else number
    if not 0 <= number <= FIGURE_MAX or scaled != scaled.to_integral_value():
        a_number = "a number with up to two decimals" if name in IN_CORES else "a whole number"
        raise Refused(
            f"{name} of quota {kind} must be {a_number} from 0 to {FIGURE_MAX}, -1 for the default or -2 for no limit, "
            f"is {text[:40]!r}"
        )
    return int(scaled)
