"""The manual is what the code says: generated pages are current, nothing declared is left out, links lead somewhere."""

import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.system.home import engine
from trifid.core.template.scanner import parse
from trifid.core.template.validate import validate
from trifid.engine import config
from trifid.methods import dispatch  # noqa: F401  (declares all methods)
from trifid.methods.registry import METHODS
from trifid.wire import action_data

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
MAKE_API = runpy.run_path(str(DOCS / "make_api.py"))
MAKERS: dict[str, Callable[[], str]] = MAKE_API["PAGES"]

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def fenced(path: Path, language: str) -> list[str]:
    """Return the code blocks of a page in one language."""
    return [text for word, text in FENCE.findall(path.read_text(encoding="utf-8")) if word == language]


@pytest.mark.parametrize("page", MAKERS)
def test_a_generated_page_is_current(page: str) -> None:
    written = (DOCS / page).read_text(encoding="utf-8")
    assert written == MAKERS[page](), "run .venv/bin/python docs/make_api.py"


def test_every_method_of_the_api_has_a_heading() -> None:
    headings = re.findall(r"^### (\S+)$", (DOCS / "api.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(headings) == sorted(METHODS)


def test_every_method_that_is_supported_is_called_by_a_test_of_its_own() -> None:
    assert MAKE_API["untried"]() == []


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("one.vm.schedadd", "methods/test_vm_schedules.py"),  # as a text
        ("one.vm.chown", "methods/test_owners.py"),  # out of f"one.{kind}.chown"
        ("one.vm.info", "system/test_pyone.py"),  # one.vm.info(…)
    ],
)
def test_a_test_is_found_by_how_it_calls(name: str, file: str) -> None:
    tests_of = runpy.run_path(str(DOCS / "api_tests.py"))["tests_of"]
    assert file in tests_of([name])[name]
    assert tests_of(["one.vm.fly"]) == {"one.vm.fly": []}


def settings() -> list[tuple[str, str, Any]]:
    """Return (section, key, default) of everything that trifid.toml takes."""
    found = []
    for section in msgspec.structs.fields(config.Config):
        kind = config.DriverSettings if section.type is config.Drivers else section.type
        for field in msgspec.structs.fields(kind):
            default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
            found.append((section.name, field.name, default))
    return found


@pytest.mark.parametrize(("section", "key", "default"), settings())
def test_every_setting_is_explained_with_its_default(section: str, key: str, default: object) -> None:
    page = (DOCS / "configuration.md").read_text(encoding="utf-8")
    heading = rf"^## `\[{section}[\]\.].*?(?=^## |\Z)"
    part = re.search(heading, page, re.MULTILINE | re.DOTALL)
    assert part is not None, f"no section [{section}]"
    row = re.search(rf"^\| `{key}` \| (.*?) \|", part.group(), re.MULTILINE)
    assert row is not None, f"[{section}] {key} has no row"
    text = (
        str(default).lower() if isinstance(default, bool) else f'"{default}"' if isinstance(default, str) else default
    )
    if default is msgspec.NODEFAULT:
        assert row.group(1) == "none, must be given"
    elif isinstance(default, tuple):
        assert row.group(1) == "the usual list"
    else:
        assert row.group(1) == f"`{text}`"


def test_no_setting_is_explained_that_does_not_exist() -> None:
    tables = (DOCS / "configuration.md").read_text(encoding="utf-8").partition("## Environment")[0]
    explained = set(re.findall(r"^\| `(\w+)` \|", tables, re.MULTILINE))
    assert explained == {key for _, key, _ in settings()}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_make_targets_that_a_page_names_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"`make ([a-z-]+)`", text)) | set(re.findall(r"^make ([a-z-]+)", text, re.MULTILINE))
    assert named <= targets


def test_the_first_screen_of_the_readme_shows_demo_and_test() -> None:
    first = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:15]
    assert [line.split()[1] for line in first if line.startswith("make ")] == ["demo", "test"]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    broken = []
    for link in LINK.findall(text):
        file, _, anchor = link.partition("#")
        if "://" in link or link.startswith("mailto:"):
            continue
        target = (page.parent / file).resolve() if file else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def anchors(page: Path) -> set[str]:
    """Return what can be linked to in a page: its headings, as the repository's web pages name them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [page for page in PAGES if fenced(page, "template")], ids=name_of)
def test_templates_that_a_page_shows_are_accepted(page: Path) -> None:
    for text in fenced(page, "template"):
        template = parse(text)
        if "CPU" in template:
            validate(template)


def test_every_decision_is_in_the_index_and_dated() -> None:
    folder = DOCS / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    pages = sorted(folder.glob("[0-9]*.md"))
    assert [path.name[:4] for path in pages] == [f"{n:04}" for n in range(1, len(pages) + 1)]
    for page in pages:
        title, _, dated, *_ = page.read_text(encoding="utf-8").splitlines()
        assert f"| [{page.name[:4]}]({page.name}) | {title.removeprefix(f'# {page.name[:4]} ')} |" in index
        assert re.fullmatch(r"\d{4}-\d\d-\d\d · (accepted|superseded by \d{4})", dated)


def test_the_driver_in_shell_works(tmp_path: Path) -> None:
    (script,) = [text for text in fenced(ROOT / "CONTRIBUTING.md", "sh") if text.startswith("#!/bin/sh")]
    driver = tmp_path / "driver"
    driver.write_text(script)
    vm = "<VM><ID>12</ID><USER_TEMPLATE><HOST>another\n<HOST>one</HOST></HOST></USER_TEMPLATE></VM>"

    def request(word: str, step: int) -> str:
        data = action_data.ActionData(host="node1", deploy_id="one-12", step=step, vm=vm)
        return f"{word}  12 {action_data.render(data)}\n"

    words = ("POLL", "DEPLOY", "DEPLOY", "POLL", "CANCEL", "CANCEL", "POLL", "SAVE")
    asked = "INIT\n" + "".join(request(word, step) for step, word in enumerate(words, 1)) + "FINALIZE\nPOLL  1 -\n"
    environment = {"TRIFID_HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        ["sh", str(driver)], input=asked, capture_output=True, text=True, env=environment, check=True, timeout=30
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "INIT SUCCESS",
        "POLL SUCCESS 12 STATE=d",
        "DEPLOY SUCCESS 12 one-12",
        "DEPLOY SUCCESS 12 one-12",
        "POLL SUCCESS 12 STATE=a",
        "CANCEL SUCCESS 12",
        "CANCEL SUCCESS 12",
        "POLL SUCCESS 12 STATE=d",
        "SAVE FAILURE 12 this driver does not know SAVE",
    ]
    world = (tmp_path / "dummy" / "world.log").read_text()
    assert world == "12 node1 running 2\n12 node1 gone 5\n"


def test_the_tour_of_the_readme_can_be_taken(tmp_path: Path) -> None:
    readme = ROOT / "README.md"
    machine, network = fenced(readme, "template")
    (tmp_path / "vm-example.vm").write_text(machine)
    (tmp_path / "public.net").write_text(network)
    typed = [line[2:] for text in fenced(readme, "console") for line in text.splitlines() if line.startswith("$ ")]
    before = ["export", "trifid init", "trifid start"]
    assert [command for command, start in zip(typed, before, strict=False) if command.startswith(start)] == typed[:3]
    (client,) = fenced(readme, "python")
    with engine(tmp_path / "home") as home:
        for command in typed[3:]:
            done = subprocess.run(
                ["sh", "-c", command], cwd=tmp_path, env=home.environment, capture_output=True, text=True, timeout=60
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        client = client.replace("/tmp/try", str(home.path)).replace("2700", str(home.port))
        said = subprocess.run([sys.executable, "-c", client], capture_output=True, text=True, check=True, timeout=60)
    assert [line.split()[:2] for line in said.stdout.splitlines()] == [["2", "web"], ["1", "big"]]
