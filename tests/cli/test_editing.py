"""Templates from editors."""

import io
import sys

import pytest

from trifid.cli import editing
from trifid.cli.failure import Failure


class Terminal(io.StringIO):
    """Standard input that somebody sits at."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def editor(monkeypatch, tmp_path):
    """Return what sets the editor to a program of one line, with the file's name in sys.argv[1]."""
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.delenv("VISUAL", raising=False)

    def set_editor(line: str) -> None:
        program = tmp_path / "editor.py"
        program.write_text(f"import pathlib, sys\npath = pathlib.Path(sys.argv[1])\n{line}\n")
        monkeypatch.setenv("EDITOR", f"{sys.executable} {program}")

    return set_editor


def test_what_the_editor_wrote_comes_back(editor):
    editor("path.write_text(path.read_text() + 'B=2\\n')")
    assert editing.edited("A=1\n") == "A=1\nB=2\n"


def test_a_text_left_as_it_was_is_no_change(editor):
    editor("pass")
    assert editing.edited("A=1\n") is None


def test_an_editor_that_fails_changes_nothing(editor):
    editor("path.write_text('half')\nsys.exit(3)")
    with pytest.raises(Failure, match="ended with status 3: nothing was changed"):
        editing.edited("A=1\n")


def test_an_editor_that_is_not_installed(editor, monkeypatch):
    editor("pass")
    monkeypatch.setenv("EDITOR", "no-such-editor")
    with pytest.raises(Failure, match="no-such-editor"):
        editing.edited("A=1\n")


def test_a_file_that_is_not_text(tmp_path):
    (tmp_path / "image").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Failure, match="not UTF-8 text"):
        editing.read(str(tmp_path / "image"))
