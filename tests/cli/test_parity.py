"""Every word of today's commands is there, or it is told what is there instead."""

import runpy
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.cli.conftest import PROGRAMS

MAKER = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "make_cli_parity.py"))
REGISTERED = [family for family in MAKER["KNOWN"] if family in PROGRAMS]


def test_the_page_is_up_to_date():
    page = Path(__file__).parents[2] / "docs" / "cli-parity.md"
    assert page.read_text(encoding="utf-8") == MAKER["document"](), "make it again: python docs/make_cli_parity.py"


@pytest.mark.parametrize("family", REGISTERED)
def test_every_word_is_there_or_it_is_told_what_is_there_instead(family):
    silent = [word for word, told in MAKER["standings"](family).items() if not told]
    assert silent == [], "add the command, or tell about it in not_here of its table"


@pytest.mark.parametrize("family", REGISTERED)
def test_words_that_are_not_here_tell_so_when_they_are_typed(family):
    main = PROGRAMS[family]
    for word, told in main.not_here.items():
        result = CliRunner().invoke(main, [word])
        assert result.exit_code == 255
        assert told in result.stderr
        assert word not in {row.word for row in main.rows}
