"""Documents of the engine as XML, JSON or YAML: single ones, and pools page by page."""

import json
from collections.abc import Iterable, Iterator
from typing import Any
from xml.etree import ElementTree

from trifid.cli.pools import Entry, Look
from trifid.cli.shell import Shell
from trifid.cli.yaml_text import yaml_entry, yaml_lines
from trifid.wire.elements import BadDocument, iter_elements, one_element

_INDENT = 2


def print_one(shell: Shell, document: str, root: str, form: str) -> None:
    """Print an object's document; of several, each is a document of its own."""
    if form == "xml":
        tree = _tree(document)
        ElementTree.indent(tree)
        shell.say(ElementTree.tostring(tree, encoding="unicode"))
        return
    content = {root: one_element(document, root)}
    if form == "json":
        shell.say(json.dumps(content, indent=_INDENT, ensure_ascii=False))
    else:
        if shell.has_said:
            shell.say("---")
        shell.say("\n".join(yaml_lines(content)))


def print_pool(shell: Shell, look: Look, form: str) -> None:
    """Print a pool as it comes; its entries are always a list."""
    entry = look.kind.element
    root = f"{entry}_POOL"
    if form == "xml":
        needs_rows = look.is_wanted is not None or bool(look.order)
        pages = look.entries(shell, lambda document: _xml_entries(document, entry, needs_rows))
        _print(shell, pages, f"<{root}>", f"</{root}>", f"<{root} />")
    elif form == "json":
        head = f'{{\n  "{root}": {{\n    "{entry}": ['
        _print(shell, _json_entries(look.pages(shell)), head, "    ]\n  }\n}", f"{head}]\n  }}\n}}")
    else:
        pages = (["\n".join(yaml_entry(row, 2 * _INDENT)) for row in page] for page in look.pages(shell))
        _print(shell, pages, f"{root}:\n  {entry}:", "", f"{root}:\n  {entry}: []")


def _print(shell: Shell, pages: Iterable[list[str]], head: str, foot: str, empty: str) -> None:
    has_begun = False
    for page in pages:
        if page:
            shell.say("\n".join(page if has_begun else [head, *page]))
            has_begun = True
    if not has_begun:
        shell.say(empty)
    elif foot:
        shell.say(foot)


def _json_entries(pages: Iterable[list[dict[str, Any]]]) -> Iterator[list[str]]:
    """Yield the entries of a list as indented text, a comma after each but the last."""
    pad = " " * 3 * _INDENT
    held = ""
    for page in pages:
        lines = []
        for row in page:
            if held:
                lines.append(f"{held},")
            held = pad + json.dumps(row, indent=_INDENT, ensure_ascii=False).replace("\n", f"\n{pad}")
        yield lines
    if held:
        yield [held]


def _xml_entries(document: str, name: str, needs_rows: bool) -> list[Entry]:
    """Return the entries of a pool as indented text, with what filters and order look at."""
    trees = [tree for tree in _tree(document) if tree.tag == name]
    rows: Iterable[dict[str, Any]] = iter_elements(document, name)
    if not needs_rows:
        rows = [{"ID": tree.findtext("ID", "")} for tree in trees]
    return [(row, _indented(tree)) for row, tree in zip(rows, trees, strict=True)]


def _indented(tree: "ElementTree.Element") -> str:
    ElementTree.indent(tree, level=1)
    return " " * _INDENT + ElementTree.tostring(tree, encoding="unicode").rstrip()


def _tree(document: str) -> "ElementTree.Element":
    try:
        return ElementTree.fromstring(document)  # noqa: S314 (the engine's own; expat bounds expansion)
    except ElementTree.ParseError as bad:
        raise BadDocument(f"not a document: {bad}") from bad
