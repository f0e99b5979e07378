"""Makes docs/api.md and docs/attributes.md out of what the code declares.

.venv/bin/python docs/make_api.py            write both
.venv/bin/python docs/make_api.py --check    exit 1 if one of them is not what it should be
"""

import inspect
import sys
import typing
from collections.abc import Callable
from pathlib import Path

from trifid.core.template.attributes import ATTRIBUTES, NOWHERE, Attribute
from trifid.methods import dispatch  # noqa: F401  (declares all methods)
from trifid.methods.empty_pools import EMPTY_POOLS
from trifid.methods.registry import METHODS, Method, Parameter
from trifid.wire.xmlrpc import Escaped

DOCS = Path(__file__).parent

_ONE_OR_NONE = (
    *("one.acl", "one.zone", "one.zonepool"),
    *(name.rpartition(".")[0] for name, _, _ in EMPTY_POOLS),
)
_OF_PLACEMENT = ("trifid.placement", "trifid.user")
_GROUPS = (
    ("Virtual machines", ("one.vm", "one.vmpool")),
    ("Hosts", ("one.host", "one.hostpool")),
    ("Images", ("one.image", "one.imagepool")),
    ("Datastores", ("one.datastore", "one.datastorepool")),
    ("VM templates", ("one.template", "one.templatepool")),
    ("Virtual networks", ("one.vn", "one.vnpool")),
    ("Network templates", ("one.vntemplate", "one.vntemplatepool")),
    ("Security groups", ("one.secgroup", "one.secgrouppool")),
    ("VM groups", ("one.vmgroup", "one.vmgrouppool")),
    ("Clusters", ("one.cluster", "one.clusterpool")),
    ("Users", ("one.user", "one.userpool")),
    ("Groups", ("one.group", "one.grouppool")),
    ("System", ("one.system",)),
    ("What there is one of, or none", _ONE_OR_NONE),
    ("Trifid's own", ("trifid.system", "trifid.event", "trifid.host", "trifid.vm", "trifid.image", *_OF_PLACEMENT)),
)
_WORDS: dict[object, str] = {int: "int", str: "string", bool: "boolean", list: "array", Escaped: "XML document"}

_API_HEAD = """\
# The API

XML-RPC over HTTP, at `http://127.0.0.1:2633/RPC2` unless the [configuration](configuration.md) says otherwise.
This page is made by `docs/make_api.py` from the methods that the engine declares.

* The first argument of every call is the session, `user:password` or `user:token`. It is left out below.
* Arguments are typed: an `int` where a `boolean` is expected is a fault. Those with a default may be left out from
  the end; further ones are ignored.
* A good answer is the array `[true, value, 0]`. A refusal is `[false, message, code, object id, -1]`.
* An unknown method, a wrong type, or a body that is no XML-RPC is a fault. What is too large, too slow, compressed or
  not XML is refused by its HTTP status (413, 408, 415) before it is a call.
* What changes something is answered after it is durable in the database.

| code | meaning |
|---|---|
| 0x0100 | not authenticated |
| 0x0200 | not allowed |
| 0x0400 | no such object |
| 0x0800 | refused: the state of the object, or of the world, does not allow it |
| 0x1000 | an argument is outside what the method takes |
| 0x2000 | the object cannot be made, or a bug of ours, which is then in the log |
| 0x4000 | a host cannot be made |

The methods are those of OpenNebula's API as release 7.4 speaks it, as far as they are here; each is meant to take
the same arguments and give the same documents. The `trifid.` methods are our own.
"""

_ATTRIBUTES_HEAD = """\
# Attributes of a VM template

Every attribute that means something to the engine, to the drivers or to the scheduler, in the order in which
[attributes.py](../src/trifid/core/template/attributes.py) declares it. This page is made from there by
`docs/make_api.py`. How a template is written: [templates.md](templates.md).

* *lives in*: `TEMPLATE` is what the engine and the drivers act upon, `USER_TEMPLATE` the rest. Attributes that are
  not listed here are yours: they are kept as written, in `USER_TEMPLATE`.
* *may repeat*: whether it may be given more than once.
* *restricted*: only members of group 0 (oneadmin) may set it.
* "Accepted" is not "acted upon": a driver uses what it can. See the page of the driver.
"""


def api_page() -> str:
    """Return docs/api.md."""
    parts = [_API_HEAD]
    for title, prefixes in _GROUPS:
        parts.append(f"## {title}\n")
        parts += [_method(m) for name, m in METHODS.items() if name.rpartition(".")[0] in prefixes]
    return "\n".join(parts)


def _method(method: Method) -> str:
    arguments = ", ".join(_argument(parameter) for parameter in method.parameters)
    answer = typing.get_type_hints(method.handler)["return"]
    text = inspect.getdoc(method.handler) or ""
    return f"### {method.name}\n\n`{method.name}({arguments})` → {_WORDS[answer]}\n\n{text}\n"


def _argument(parameter: Parameter) -> str:
    text = f"{parameter.name}: {_WORDS[parameter.type]}"
    return text if parameter.is_required else f"{text} = {_literal(parameter.default)}"


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def attributes_page() -> str:
    """Return docs/attributes.md."""
    head = "| attribute | takes | lives in | may repeat | restricted |\n|---|---|---|---|---|\n"
    parts = [_ATTRIBUTES_HEAD, "## Attributes\n", head + "".join(_attribute(row) for row in _of_users() if not row.key)]
    for name in dict.fromkeys(row.name for row in _of_users() if row.key):
        keys = "".join(_key(row) for row in _of_users() if row.name == name and row.key)
        parts.append(f"## {name}\n\n| key | takes | restricted |\n|---|---|---|\n{keys}")
    engine = ", ".join(f"`{row.name}`" for row in ATTRIBUTES if row.place == NOWHERE and row.name != "NAME")
    parts.append(f"## Written by the engine only\n\nDropped from what a user submits: {engine}.\n")
    return "\n".join(parts)


def _of_users() -> list[Attribute]:
    return [row for row in ATTRIBUTES if row.place != NOWHERE or row.name == "NAME"]


def _attribute(row: Attribute) -> str:
    place = f"`{row.place}`" if row.place else "the VM's name"
    return f"| `{row.name}` | {_takes(row)} | {place} | {_yes(row.repeatable)} | {_yes(row.restricted)} |\n"


def _key(row: Attribute) -> str:
    return f"| `{row.key}` | {_takes(row)} | {_yes(row.restricted)} |\n"


def _takes(row: Attribute) -> str:
    return row.type.expected.replace("|", "\\|")


def _yes(value: bool) -> str:
    return "yes" if value else ""


PAGES: dict[str, Callable[[], str]] = {"api.md": api_page, "attributes.md": attributes_page}
"""File name in docs/ to what makes its text."""


def main() -> None:
    """Write the pages, or check them."""
    check = "--check" in sys.argv[1:]
    for name, make in PAGES.items():
        path, text = DOCS / name, make()
        if not check:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path} is out of date: run .venv/bin/python docs/make_api.py")


if __name__ == "__main__":
    main()
