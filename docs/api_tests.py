"""Finds the tests that call a method of the API, for docs/make_api.py.

A test calls a method when its name stands there as a text, as in `world.ask(ALICE, "one.vm.info", 5)`; when it comes
out of an f-string whose missing words stand in the same file, as in `f"one.{kind}.chown"`; or when it is called on a
client that is named `one`, as in `one.vm.info(5)`.  Tables of all methods prove nothing about one of them, and what
commands send to a fake engine says nothing about ours: those files do not count.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
_FOLDERS = ("methods", "clients", "contract_api", "system", "engine", "lab")
_TABLES = {"test_strangers.py", "test_api_table.py", "test_hostile.py"}
_NAME = re.compile(r"(?:one|trifid)\.[a-z]+\.[a-z_]+")
_WORD = re.compile(r"[a-z_]+")


def tests_of(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the files in tests/ that call a method, by its name; those that no test calls have an empty list."""
    found: dict[str, set[str]] = defaultdict(set)
    for folder in _FOLDERS:
        for path in sorted((TESTS / folder).rglob("test_*.py")):
            if path.name not in _TABLES:
                for name in _called(ast.parse(path.read_text(encoding="utf-8")), names):
                    found[name].add(path.relative_to(TESTS).as_posix())
    return {name: sorted(found[name], key=lambda path: (_FOLDERS.index(path.split("/")[0]), path)) for name in names}


def _called(tree: ast.Module, names: Iterable[str]) -> Iterator[str]:
    """Yield names of methods that a file calls, some of them more than once."""
    words = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    yield from (word for word in words if _NAME.fullmatch(word))
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield from _made_of(node, words, names)
        elif isinstance(node, ast.Call):
            yield from _attribute(node.func)


def _made_of(node: ast.JoinedStr, words: set[str], names: Iterable[str]) -> Iterator[str]:
    """Yield the methods that an f-string comes to with words of the file."""
    parts = [re.escape(str(part.value)) if isinstance(part, ast.Constant) else "([a-z_]+)" for part in node.values]
    if not parts or not parts[0].startswith(("one\\.", "trifid\\.")):
        return
    pattern = re.compile("".join(parts))
    for name in names:
        found = pattern.fullmatch(name)
        if found and all(word in words for word in found.groups()):
            yield name


def _attribute(called: ast.expr) -> Iterator[str]:
    """Yield the method that `one.kind.verb` names."""
    if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Attribute):
        root = called.value.value
        if isinstance(root, ast.Name) and root.id == "one":
            yield f"one.{called.value.attr}.{called.attr}"
