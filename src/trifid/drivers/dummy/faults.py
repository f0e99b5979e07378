"""Sorrows on demand: what the dummy drivers are told to get wrong, and how often.

Options come as one string (reference/drivers.md §1), in the configuration:
`arguments = "--delay 0.1 --fail DEPLOY=0.05:no bridge br0"`.
"""

import argparse
import random
import shlex
from typing import NoReturn

import msgspec

ANY = "*"
"""Stands for every verb."""
GARBAGE = b"\x00\xff this is no message \xf0\x9f\n"


class BadOptions(Exception):
    """The arguments in the configuration cannot be used; the text says what was expected."""


class Chance(msgspec.Struct, frozen=True):
    """How likely something is, and the words that go with it."""

    probability: float
    text: str = ""


class Options(msgspec.Struct, frozen=True):
    """What a dummy driver does wrong.

    Attributes:
        delay_s: each action takes this long.
        fail: {verb: chance} that it answers FAILURE and does nothing.
        lose: {verb: chance} that it does it and never answers.
        die: {verb: chance} that the process ends, just before or just after doing it.
        garbage: probability that an answer comes after a line that is no message.
        seed: of the dice; the same seed and requests give the same sorrows; None = other ones each time.
        cpu_percent, memory_kib: capacity of every host, for information drivers.
        pci: PCI devices of every host, like 10de:1eb8:0302=2, with commas between.
    """

    delay_s: float = 0.0
    fail: dict[str, Chance] = {}
    lose: dict[str, Chance] = {}
    die: dict[str, Chance] = {}
    garbage: float = 0.0
    seed: int | None = None
    cpu_percent: int = 6400
    memory_kib: int = 268435456
    pci: str = ""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadOptions(f"{message}; {self.format_usage().strip()}")


def parse_options(text: str) -> Options:
    """Return the options that a driver's one argument gives.

    Raises:
        BadOptions: unknown option, or a value that it does not take.
    """
    parser = _Parser(prog="arguments", add_help=False)
    parser.add_argument("--delay", type=_seconds, default=0.0, metavar="SECONDS")
    for name in ("--fail", "--lose", "--die"):
        parser.add_argument(name, type=_chance, action="append", default=[], metavar="VERB=PROBABILITY[:TEXT]")
    parser.add_argument("--garbage", type=_probability, default=0.0, metavar="PROBABILITY")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--cpu", type=int, default=Options().cpu_percent, metavar="PERCENT")
    parser.add_argument("--memory", type=int, default=Options().memory_kib, metavar="KIB")
    parser.add_argument("--pci", default="", metavar="VENDOR:DEVICE:CLASS=COUNT,…")
    try:
        given = parser.parse_args(shlex.split(text))
    except ValueError as fault:
        raise BadOptions(f"arguments {text!r}: {fault}") from None
    return Options(
        delay_s=given.delay,
        fail=dict(given.fail),
        lose=dict(given.lose),
        die=dict(given.die),
        garbage=given.garbage,
        seed=given.seed,
        cpu_percent=given.cpu,
        memory_kib=given.memory,
        pci=given.pci,
    )


class Dice:
    """Decides, by the options, what goes wrong now."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._random = random.Random(options.seed)  # noqa: S311  faults, no secrets

    def failure(self, verb: str) -> str:
        """Return the text of the failure that strikes, empty when none does."""
        chance = self._struck(self._options.fail, verb)
        return "" if chance is None else chance.text or f"{verb} fails because it was told to"

    def is_lost(self, verb: str) -> bool:
        """Tell whether the answer gets lost."""
        return self._struck(self._options.lose, verb) is not None

    def death(self, verb: str) -> str:
        """Return `before` or `after` when the process dies over it, else nothing."""
        if self._struck(self._options.die, verb) is None:
            return ""
        return self._random.choice(("before", "after"))

    def garbage(self) -> bytes:
        """Return what is said before an answer: mostly nothing."""
        has_some = self._options.garbage and self._random.random() < self._options.garbage
        return GARBAGE if has_some else b""

    def _struck(self, chances: dict[str, Chance], verb: str) -> Chance | None:
        chance = chances.get(verb) or chances.get(ANY)
        return chance if chance is not None and self._random.random() < chance.probability else None


def _chance(text: str) -> tuple[str, Chance]:
    verb, equals, rest = text.partition("=")
    probability, _, words = rest.partition(":")
    if not verb or not equals:
        raise argparse.ArgumentTypeError(f"expected VERB=PROBABILITY[:TEXT], is {text!r}")
    return verb if verb == ANY else verb.upper(), Chance(_probability(probability), words)


def _probability(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, is {text!r}")
    return value


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 86400:
        raise argparse.ArgumentTypeError(f"expected seconds below a day, is {text!r}")
    return value
