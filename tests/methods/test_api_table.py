"""The methods of the API, their arguments and answers, against the table of the reference."""

import re
from pathlib import Path

import pytest

from tests.methods.world import ADMIN, EVE, Refusal
from trifid.methods import dispatch  # noqa: F401  (declares all methods)
from trifid.methods.not_supported import not_supported
from trifid.methods.registry import METHODS, Method
from trifid.wire.answers import Answer, Fault
from trifid.wire.xmlrpc import Escaped

TABLE = (Path(__file__).parent / "api_table.txt").read_text(encoding="utf-8")
LINES = [line for line in TABLE.splitlines() if not line.startswith("#")]
WORDS = {int: "int", str: "string", bool: "boolean", list: "array", Escaped: "XML document"}
MISSING = not_supported()
VALUES = {int: 1, str: "x", bool: False}


def name_of(line: str) -> str:
    return line.partition("(")[0]


def signature(method: Method) -> str:
    """Return a method as the table has it."""
    arguments = []
    for parameter in method.parameters:
        default = str(parameter.default).lower() if parameter.default != "" else '""'
        arguments.append(WORDS[parameter.type] + ("" if parameter.is_required else f" = {default}"))
    return f"{method.name}({', '.join(arguments)}) -> {WORDS[method.answer]}"


def test_the_table_has_all_methods_once() -> None:
    assert len(LINES) == len({name_of(line) for line in LINES}) == 307


def test_the_registry_knows_these_methods_and_no_others_of_their_prefix() -> None:
    assert {name for name in METHODS if not name.startswith("trifid.")} == {name_of(line) for line in LINES}


@pytest.mark.parametrize("line", LINES, ids=name_of)
def test_a_method_takes_and_answers_what_the_table_says(line: str) -> None:
    assert signature(METHODS[name_of(line)]) == line


def test_no_method_is_built_and_told_as_missing() -> None:
    both = [missing.name for missing in MISSING if METHODS[missing.name].is_supported]
    assert both == [], "take the lines of these methods out of methods/not_supported.py"


@pytest.mark.parametrize("method", MISSING, ids=lambda method: method.name)
async def test_what_is_missing_is_refused_with_what_to_do_instead(world, method: Method) -> None:
    arguments = [VALUES[parameter.type] for parameter in method.parameters]
    with pytest.raises(Refusal, match=rf"\[{re.escape(method.name)}\] not supported: .+; .+") as refusal:
        await world.ask(EVE, method.name, *arguments)
    assert refusal.value.code == 0x0800
    with pytest.raises(Refusal) as refusal:
        await world.ask("oneadmin:guess", method.name, *arguments)
    assert refusal.value.code == 0x0100


async def test_an_argument_that_is_missing_or_of_another_type_is_a_fault_and_further_ones_are_ignored(world) -> None:
    others = {int: "5", str: 5, bool: 1, list: ()}
    for method in METHODS.values():
        given: list = [VALUES.get(parameter.type, []) for parameter in method.parameters]
        needed = sum(parameter.is_required for parameter in method.parameters)
        wrong = [given[:count] for count in range(needed)]
        for spot, parameter in enumerate(method.parameters):
            wrong += [[*given[:spot], other, *given[spot + 1 :]] for other in (others[parameter.type], None, 1.0, {})]
        for arguments in wrong:
            answer = await world.dispatch(method.name, [ADMIN, *arguments], "10.0.0.9:1")
            assert isinstance(answer, Fault) and answer.code == -501, (method.name, arguments)
            assert answer.text.startswith(f"{method.name}: ")
        answer = await world.dispatch(method.name, ["nobody:x", *given, -1, "", None, {}], "10.0.0.9:1")
        assert isinstance(answer, Answer) and answer.code == 0x100, method.name


async def test_a_method_that_nobody_knows_is_another_fault(world) -> None:
    for name in ("one.vm.fly", "one", "", "vm.info", "one.vm.info ", "system.listMethods"):
        answer = await world.dispatch(name, [ADMIN], "10.0.0.9:1")
        assert isinstance(answer, Fault) and answer.code == -506
