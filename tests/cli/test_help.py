"""Every command explains itself, and its examples are command lines that it takes."""

import shlex

import click
import pytest

from tests.cli.conftest import PROGRAMS

COMMANDS = [(program, row) for program, main in PROGRAMS.items() for row in main.rows]


@pytest.mark.parametrize(("program", "row"), COMMANDS, ids=lambda value: getattr(value, "word", value))
def test_examples_are_shown_and_can_be_typed(type_in, program, row):
    shown = type_in(program, row.word, "--help").stdout
    assert row.examples
    for example in row.examples:
        assert f"{program} {example}" in shown
        word, *words = shlex.split(example.partition("<")[0])
        command = PROGRAMS[program].get_command(click.Context(PROGRAMS[program]), word)
        command.make_context(word, words)


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_list_their_commands(type_in, program):
    for ask in ("--help", "-h"):
        result = type_in(program, ask)
        assert result.exit_code == 0
        assert all(f"\n  {row.word} " in result.stdout for row in PROGRAMS[program].rows)


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_list_the_other_words_for_their_commands(type_in, program):
    shown = " ".join(type_in(program, "--help").stdout.split())
    for row in PROGRAMS[program].rows:
        assert all(f"{alias} ({row.word})" in shown for alias in row.aliases)


@pytest.mark.parametrize("program", PROGRAMS)
def test_words_are_unique(program):
    words = [word for row in PROGRAMS[program].rows for word in (row.word, *row.aliases)]
    assert len(words) == len(set(words))
    assert not set(words) & set(PROGRAMS[program].not_here)


def test_the_version_is_told(type_in):
    assert type_in("onevm", "--version").stdout.startswith("Trifid ")


@pytest.mark.parametrize("program", [program for program in PROGRAMS if program != "oneacct"])
def test_a_program_alone_tells_what_it_can(type_in, program):
    result = type_in(program)
    assert result.exit_code != 0
    assert result.stderr.startswith(f"Usage: {program}")
