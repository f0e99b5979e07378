"""The manual of the commands is what the commands are."""

from pathlib import Path

from trifid.cli.docs import PROGRAMS, document

MANUAL = Path(__file__).parents[2] / "docs" / "cli.md"


def test_the_manual_is_up_to_date():
    assert MANUAL.read_text(encoding="utf-8") == document(), "make it again: python -m trifid.cli.docs > docs/cli.md"


def test_every_command_is_in_it():
    text = document()
    for program, _ in PROGRAMS:
        for row in program.rows:
            assert f"### {program.name} {row.word}" in text
