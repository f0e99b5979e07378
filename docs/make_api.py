"""Makes docs/api.md, docs/api_since.txt and docs/attributes.md out of what the code declares and the tests call.

.venv/bin/python docs/make_api.py            write all
.venv/bin/python docs/make_api.py --check    exit 1 if one of them is not what it should be
"""

import inspect
import runpy
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from trifid import __version__
from trifid.core.template.attributes import ATTRIBUTES, NOWHERE, Attribute
from trifid.methods import dispatch  # noqa: F401  (declares all methods)
from trifid.methods.registry import METHODS, Method, Parameter
from trifid.wire.xmlrpc import Escaped

DOCS = Path(__file__).parent
OWN = "trifid."
TESTS_NAMED_MAX = 4
_SINCE = "api_since.txt"

_GROUPS = (
    ("Virtual machines", ("one.vm", "one.vmpool")),
    ("Hosts", ("one.host", "one.hostpool")),
    ("Virtual networks", ("one.vn", "one.vnpool")),
    ("Images", ("one.image", "one.imagepool")),
    ("Datastores", ("one.datastore", "one.datastorepool")),
    ("VM templates", ("one.template", "one.templatepool")),
    ("Clusters", ("one.cluster", "one.clusterpool")),
    ("Users", ("one.user", "one.userpool", "one.userquota")),
    ("Groups", ("one.group", "one.grouppool", "one.groupquota")),
    ("Access rules", ("one.acl",)),
    ("Virtual data centres", ("one.vdc", "one.vdcpool")),
    ("Security groups", ("one.secgroup", "one.secgrouppool")),
    ("VM groups", ("one.vmgroup", "one.vmgrouppool")),
    ("Network templates", ("one.vntemplate", "one.vntemplatepool")),
    ("Hooks", ("one.hook", "one.hookpool", "one.hooklog")),
    ("Documents", ("one.document", "one.documentpool")),
    ("Zones", ("one.zone", "one.zonepool")),
    ("System", ("one.system",)),
    ("Virtual routers", ("one.vrouter", "one.vrouterpool")),
    ("Marketplaces", ("one.market", "one.marketpool", "one.marketapp", "one.marketapppool")),
    ("Backup jobs", ("one.backupjob", "one.backupjobpool")),
)
_OWN_GROUP = "Trifid's own"
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
| 0x4000 | a host, a cluster or an image cannot be made |

## What is here

The methods are those of OpenNebula's API as release 7.4 speaks it: {supported} of {all} are supported, and take the
same arguments and give the same documents. The others are refused with 0x0800 and `not supported`, and say what to
do instead; the pools of what there is none of are empty. The `trifid.` methods are our own. Below, each method says
since which version it is here, and which files in [tests/](../tests) call it.
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
    of_api = [method for method in METHODS.values() if not method.name.startswith(OWN)]
    groups = [(title, [m for m in of_api if m.name.rpartition(".")[0] in kinds]) for title, kinds in _GROUPS]
    if sum(len(methods) for _, methods in groups) != len(of_api):
        raise ValueError("a kind of methods has no group")
    own = (_OWN_GROUP, [method for method in METHODS.values() if method.name.startswith(OWN)])
    parts = [_API_HEAD.format(supported=_supported(of_api), all=len(of_api)), _overview([*groups, own])]
    for title, methods in (*groups, own):
        parts.append(f"## {title}\n")
        parts += [_method(method) for method in sorted(methods, key=lambda method: not method.is_supported)]
    return "\n".join(parts)


def _supported(methods: list[Method]) -> int:
    return sum(method.is_supported for method in methods)


def _overview(groups: list[tuple[str, list[Method]]]) -> str:
    """Return the table of groups, with how many of their methods are supported."""
    rows = [f"| [{title}](#{_anchor(title)}) | {_supported(found)} of {len(found)} |" for title, found in groups]
    return "\n".join(("| about | supported |", "|---|---|", *rows, ""))


def _anchor(title: str) -> str:
    return title.lower().replace("'", "").replace(" ", "-")


def _method(method: Method) -> str:
    arguments = ", ".join(_argument(parameter) for parameter in method.parameters)
    text = (inspect.getdoc(method.handler) or "") if method.is_supported else method.summary
    told = f"### {method.name}\n\n`{method.name}({arguments})` → {_WORDS[method.answer]}\n\n{text}\n"
    if not method.is_supported:
        return told
    return f"{told}\nSince {_since()[method.name]}. Called by {_told(_tests()[method.name])}.\n"


def _told(files: list[str]) -> str:
    more = len(files) - TESTS_NAMED_MAX
    named = ", ".join(f"`{file}`" for file in files[:TESTS_NAMED_MAX])
    return f"{named} and {more} more" if more > 0 else named or "no test"


@cache
def _tests() -> dict[str, list[str]]:
    supported = [name for name, method in METHODS.items() if method.is_supported]
    tests_of: Callable[[list[str]], dict[str, list[str]]] = runpy.run_path(str(DOCS / "api_tests.py"))["tests_of"]
    return tests_of(supported)


def untried() -> list[str]:
    """Return the supported methods that no test calls."""
    return [name for name, files in _tests().items() if not files]


def since_page() -> str:
    """Return docs/api_since.txt: each supported method and the version that had it first."""
    return "".join(f"{name} {version}\n" for name, version in sorted(_since().items()))


def _since() -> dict[str, str]:
    """Return since when there are methods; what has just been built is there since the version at hand."""
    path = DOCS / _SINCE
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    known: dict[str, Any] = dict(line.split() for line in lines)
    return {name: known.get(name, __version__) for name, method in METHODS.items() if method.is_supported}


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


PAGES: dict[str, Callable[[], str]] = {"api.md": api_page, _SINCE: since_page, "attributes.md": attributes_page}
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
