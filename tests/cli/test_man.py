"""Every command has a manual page, which says what the command is."""

import subprocess
import tomllib
from pathlib import Path

import pytest

from trifid.cli.docs import PROGRAMS
from trifid.cli.man import pages

PAGES = dict(pages())


def test_every_command_that_is_installed_is_registered_and_has_a_page():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    installed = {name for name, value in project["scripts"].items() if value.startswith("trifid.cli.")}
    assert installed <= {program.name for program, _ in PROGRAMS}
    assert {f"{name}.1" for name in installed} <= set(PAGES)


@pytest.mark.parametrize("program", [program for program, _ in PROGRAMS], ids=lambda program: program.name)
def test_a_page_has_every_command_option_and_example(program):
    text = PAGES[f"{program.name.replace(' ', '-')}.1"].replace("\\-", "-")
    for row in program.rows:
        assert f"\n.SS {row.word}" in text
        assert all(option.opts[-1] in text for option in row.options if not option.hidden)
        assert f"{program.name} {row.word}" in text
    others = [other.name for other, _ in PROGRAMS if other is not program]
    assert all(f"\\fB{name.replace(' ', '-')}\\fR(1)" in text for name in others)


def test_pages_are_ascii_and_have_no_line_that_roff_takes_for_its_own():
    for text in PAGES.values():
        assert text.isascii()
        commands = {line.split()[0] for line in text.splitlines() if line.startswith((".", "'"))}
        assert commands <= {".TH", ".SH", ".SS", ".TP", ".PP", ".B", ".EX", ".EE"}


@pytest.mark.parametrize("name", PAGES)
def test_groff_has_nothing_to_say_about_a_page(name):
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-z", "-ww"],
        input=PAGES[name],
        capture_output=True,
        encoding="ascii",
        check=True,
        timeout=60,
    )
    assert done.stderr == ""
