"""Which connectors there are: those that are shipped, and those that other packages add by an entry point."""

import importlib
import pkgutil
import re
from functools import cache
from importlib.metadata import entry_points

from trifid.drivers.kit import Failure
from trifid.drivers.libvirt import connectors
from trifid.drivers.libvirt.connector import Connector

GROUP = "trifid.connectors"
OF_SCHEME = {"qemu": "kvm"}
"""Connectors that are not called like the scheme of their URIs."""

_NAME = re.compile(r"[a-z][a-z0-9]{0,31}")


def names() -> list[str]:
    """Return the names of all connectors."""
    return sorted({*shipped(), *(point.name for point in entry_points(group=GROUP))})


def shipped() -> list[str]:
    """Return the names of those that come with the engine: modules without _ in the name, whatever is installed."""
    return sorted(found.name for found in pkgutil.iter_modules(connectors.__path__) if "_" not in found.name)


@cache  # every connection asks, and to look through what is installed takes a while
def connector(name: str) -> Connector:
    """Return a connector; a shipped one goes before others of its name.

    Raises:
        Failure: there is none of this name, or what the entry point names is none or cannot be loaded.
    """
    if not _NAME.fullmatch(name) or name not in names():
        raise Failure(f"there is no connector {name}: use one of {', '.join(names())}")
    if name in shipped():
        found = importlib.import_module(f"{connectors.__name__}.{name}").CONNECTOR
    else:
        points = [point for point in entry_points(group=GROUP) if point.name == name]
        if len({point.value for point in points}) > 1:
            raise Failure(f"connector {name} is offered by {' and '.join(sorted(p.value for p in points))}: remove one")
        try:
            found = points[0].load()
        except (ImportError, AttributeError) as fault:
            raise Failure(f"connector {name} cannot be loaded from {points[0].value}: {fault}") from fault
    if not isinstance(found, Connector) or found.name != name:
        raise Failure(f"connector {name}: its entry point must name a Connector called {name}")
    return found


def name_for(uri: str) -> str:
    """Return the name of the connector that a URI tells by its scheme: kvm for qemu+ssh://…"""
    scheme = uri.partition(":")[0].partition("+")[0]
    return OF_SCHEME.get(scheme, scheme)
