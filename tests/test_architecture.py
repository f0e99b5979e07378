"""The architecture as rules that fail: who may import whom, what is pure, and a few habits.

Each rule is a function from a file to complaints; each is also shown that it catches a planted mistake.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "trifid"
FILES = sorted(ROOT.rglob("*.py"))
LINES_MAX = 600

MAY_IMPORT = {
    "core": set(),
    "wire": {"core"},
    "store": {"core", "wire"},
    "engine": {"core", "wire", "store"},
    "placement": {"core", "wire"},
    "methods": {"core", "wire", "engine", "placement"},
    "doors": {"wire", "methods"},
    "drivers": {"core", "wire"},
    "client": {"wire"},
    "scheduler": {"core", "wire", "client", "placement"},
    "services": {"core", "wire", "client"},
    "simulator": {"core", "wire", "store", "engine", "methods", "drivers", "client", "placement", "scheduler"},
    "cli": {"core", "wire", "client", "placement", "scheduler", "simulator"},
}
"""Layer: the layers that it may import, besides itself and `trifid.errors`."""

OF_CORE = {"drivers": ("trifid.core.template", "trifid.core.vm", "trifid.core.network.host_document")}
"""Layers that may use only these parts of the core."""

COMPOSES = {"engine/main.py"}
"""Where the parts are put together: it alone knows all of them."""

PURE = {"core", "wire", "placement"}
IMPURE = {
    *("asyncio", "concurrent", "datetime", "glob", "http", "io", "logging", "multiprocessing", "os", "pathlib"),
    *("random", "secrets", "select", "selectors", "shutil", "signal", "socket", "sqlalchemy", "sqlite3", "ssl"),
    *("subprocess", "sys", "tempfile", "threading", "time", "urllib", "uuid", "uvicorn"),
}
IMPURE_CALLS = {"open", "input", "exec", "eval"}

MAY_PRINT = {"cli", "drivers", "scheduler", "services"}
SHELLS = {"system", "popen", "getoutput", "getstatusoutput", "create_subprocess_shell"}

BOUNDARIES = {
    "methods/dispatch.py": "a bug in one method is logged and answered as an internal error",
    "cli/command.py": "whatever went wrong is told in one line and by the exit status, not as a traceback",
    "placement/place.py": "a bug over one VM lets that one wait, with the traceback in the log, and no other",
    "drivers/kit.py": "a bug in one action is that action's failure, the driver goes on",
}
"""Files that may catch everything without saying so on the line, and why."""


def name_of(path: Path) -> str:
    """Return a file as the rules call it."""
    return path.relative_to(ROOT).as_posix()


def layer_of(name: str) -> str:
    """Return the layer of a file; modules beside the packages have none."""
    return name.partition("/")[0] if "/" in name else ""


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the full name of everything that a module imports, wherever the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute: a relative one hides which layer it reaches"
            if node.module == "trifid":
                yield from (f"trifid.{alias.name}" for alias in node.names)
            elif node.module:
                yield node.module


def wrong_imports(name: str, tree: ast.AST) -> list[str]:
    layer = layer_of(name)
    if not layer or name in COMPOSES:
        return []
    if layer not in MAY_IMPORT:
        return [f"{layer} is a new layer: say in MAY_IMPORT of this test what it may import, and why in docs"]
    complaints = []
    for found in imported(tree):
        target = found.split(".")[1] if found.startswith("trifid.") else ""
        if not target or target in {layer, "errors", "__version__"}:
            continue
        if target not in MAY_IMPORT[layer]:
            allowed = ", ".join(sorted(MAY_IMPORT[layer])) or "nothing of ours"
            complaints.append(
                f"{layer} may import {allowed}, not {found}: arrows point inwards, so that what is inside "
                "can be understood, tested and reused without what is around it"
            )
        elif target == "core" and layer in OF_CORE and not found.startswith(OF_CORE[layer]):
            parts = " and ".join(OF_CORE[layer])
            complaints.append(f"{layer} may use {parts}, not {found}: what a driver must know travels on its line")
    return complaints


def impurities(name: str, tree: ast.AST) -> list[str]:
    if layer_of(name) not in PURE:
        return []
    why = "it decides from what it is given, so that every decision can be repeated in a test"
    complaints = [
        f"{layer_of(name)} is pure, {found} belongs outside: {why}"
        for found in imported(tree)
        if found.partition(".")[0] in IMPURE
    ]
    return complaints + [
        f"{layer_of(name)} is pure, {call.func.id}() at line {call.lineno} belongs outside: {why}"
        for call in calls(tree)
        if isinstance(call.func, ast.Name) and call.func.id in IMPURE_CALLS
    ]


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def prints(name: str, tree: ast.AST) -> list[str]:
    if layer_of(name) in MAY_PRINT or name in COMPOSES:
        return []
    return [
        f"print at line {call.lineno}: a daemon's words go to its log, where they have a time and an object"
        for call in calls(tree)
        if isinstance(call.func, ast.Name) and call.func.id == "print"
    ]


def shells(name: str, tree: ast.AST) -> list[str]:
    complaints = []
    for call in calls(tree):
        through_shell = any(
            word.arg == "shell" and not (isinstance(word.value, ast.Constant) and not word.value.value)
            for word in call.keywords
        )
        if through_shell or (isinstance(call.func, ast.Attribute) and call.func.attr in SHELLS):
            complaints.append(
                f"a shell at line {call.lineno}: commands are argument vectors, a name with a blank or a ; in it "
                "must not become a command"
            )
    return complaints


def broad_excepts(name: str, source: str, tree: ast.AST) -> list[str]:
    complaints = []
    lines = source.splitlines()
    for node in ast.walk(tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        caught = ast.unparse(node.type) if node.type else ""
        if caught and not {"Exception", "BaseException"} & set(caught.strip("()").split(", ")):
            continue
        last = node.body[-1]
        passes_on = isinstance(last, ast.Raise) and last.exc is None
        explained = "#" in lines[node.lineno - 1]
        if not caught or not (passes_on or explained or name in BOUNDARIES):
            complaints.append(
                f"except {caught} at line {node.lineno} swallows bugs: name what can be raised; at a boundary "
                "say on the line why everything must be caught"
            )
    return complaints


def undocumented(name: str, tree: ast.Module) -> list[str]:
    if tree.body and not ast.get_docstring(tree):
        return ["the module says nothing: begin with a paragraph that a newcomer can read"]
    return []


def too_long(name: str, source: str) -> list[str]:
    count = source.count("\n")
    if count > LINES_MAX:
        return [f"{count} lines: a file has one subject, and one of more than {LINES_MAX} lines has two"]
    return []


def complaints_about(name: str, source: str) -> list[str]:
    """Return everything that the rules have to say about a file."""
    tree = ast.parse(source)
    return [
        *wrong_imports(name, tree),
        *impurities(name, tree),
        *prints(name, tree),
        *shells(name, tree),
        *broad_excepts(name, source, tree),
        *undocumented(name, tree),
        *too_long(name, source),
    ]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_keeps_the_rules(path):
    assert complaints_about(name_of(path), path.read_text(encoding="utf-8")) == []


def test_there_are_files_of_every_layer_but_those_to_come():
    assert set(MAY_IMPORT) - {layer_of(name_of(path)) for path in FILES} <= {"services"}


def test_every_exception_to_the_rules_is_still_needed():
    names = {name_of(path) for path in FILES}
    assert names >= COMPOSES | set(BOUNDARIES)
    for name in BOUNDARIES:
        assert "except Exception" in (ROOT / name).read_text(encoding="utf-8"), f"{name} needs no exception any more"


DOC = '"""A module."""\n'


@pytest.mark.parametrize(
    ("name", "source", "complaint"),
    [
        ("core/x.py", DOC + "from trifid.wire import lines", "core may import nothing of ours, not trifid.wire"),
        ("wire/x.py", DOC + "import trifid.engine.turn", "wire may import core, not trifid.engine.turn"),
        ("store/x.py", DOC + "def f():\n    from trifid import engine", "not trifid.engine"),
        ("engine/x.py", DOC + "from trifid.methods import vm", "not trifid.methods"),
        ("methods/x.py", DOC + "from trifid.store.sql import S", "not trifid.store.sql"),
        ("doors/x.py", DOC + "from trifid.engine.engine import Engine", "not trifid.engine.engine"),
        ("drivers/x.py", DOC + "from trifid.client import Client", "not trifid.client"),
        ("drivers/x.py", DOC + "from trifid.core.network import nic", "drivers may use trifid.core.template and"),
        ("client/x.py", DOC + "from trifid.core.host import Host", "client may import wire, not trifid.core.host"),
        (
            "cli/x.py",
            DOC + "import trifid.engine",
            "cli may import client, core, placement, scheduler, simulator, wire, not trifid.engine",
        ),
        ("attic/x.py", DOC, "attic is a new layer"),
        ("core/x.py", DOC + "import time", "core is pure, time belongs outside"),
        ("wire/x.py", DOC + "from os import path", "wire is pure, os belongs outside"),
        ("core/x.py", DOC + "open('x')", "core is pure, open() at line 2 belongs outside"),
        ("engine/x.py", DOC + "print(1)", "print at line 2"),
        ("cli/x.py", DOC + "run('ls', shell=True)", "a shell at line 2"),
        ("cli/x.py", DOC + "import os\nos.system('ls')", "a shell at line 3"),
        ("engine/x.py", DOC + "try:\n    x\nexcept:  # why\n    y", "except  at line 4 swallows bugs"),
        ("engine/x.py", DOC + "try:\n    x\nexcept Exception:\n    y", "except Exception at line 4 swallows bugs"),
        ("engine/x.py", DOC + "try:\n    x\nexcept (OSError, BaseException):\n    y", "swallows bugs"),
        ("engine/x.py", "x = 1", "the module says nothing"),
        ("engine/x.py", DOC + "\n" * LINES_MAX, "601 lines"),
    ],
)
def test_every_rule_catches_a_planted_mistake(name, source, complaint):
    found = complaints_about(name, source)
    assert len(found) == 1 and complaint in found[0]


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("core/__init__.py", ""),
        ("core/x.py", DOC + "from trifid.errors import Refused\nimport re"),
        ("engine/main.py", DOC + "from trifid.doors.server import serve"),
        ("drivers/x.py", DOC + "from trifid.core.template.scanner import parse\nprint(1)"),
        ("engine/x.py", DOC + "try:\n    x\nexcept Exception:  # one who fails must not stop the others\n    y"),
        ("engine/x.py", DOC + "try:\n    x\nexcept BaseException:\n    y\n    raise"),
        ("engine/x.py", DOC + "try:\n    x\nexcept (OSError, ValueError):\n    y\nrun('ls', shell=False)"),
        ("cli/x.py", DOC + "from trifid import __version__"),
    ],
)
def test_what_is_right_is_not_complained_about(name, source):
    assert complaints_about(name, source) == []
