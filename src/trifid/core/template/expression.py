"""The words of placement expressions: what requirements and ranks share.

Source: reference/templates.md §5.
"""

import re
from typing import Literal, NoReturn

import msgspec

from trifid.errors import BadTemplate

Dialect = Literal["modern", "classic"]
"""Whose rules apply where the releases differ: today's, or those of 1.2."""

LENGTH_MAX = 16384
"""Longest expression, in characters."""

DEPTH_MAX = 100
"""Deepest nesting of parentheses and signs."""

CACHE_MAX = 256
"""Compiled expressions that are kept, for each kind."""

_TOKEN = re.compile(
    r"""(?P<float>-?[0-9]+\.[0-9]+)
      | (?P<integer>-?[0-9]+)
      | (?P<word>[A-Za-z][0-9A-Za-z_]*)
      | "(?P<quoted>[^"]*)"
      | (?P<operator>!=|@>|[=<>&|!()+\-*/])""",
    re.VERBOSE,
)
_BLANKS = {"modern": re.compile(r"[ \t\r\n]*"), "classic": re.compile(r"[ \t]*")}
_LEADING_INTEGER = re.compile(r"\s*([+-]?[0-9]{1,400})")
_LEADING_NUMBER = re.compile(r"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)")
_DOUBLED = {
    "&&": "& is one character",
    "||": "| is one character",
    "==": "= is one character",
    ">=": "there is no >=: write A > 4 | A = 4",
    "<=": "there is no <=: write A < 4 | A = 4",
}


class Token(msgspec.Struct, frozen=True):
    """One word of an expression.

    Attributes:
        kind: float, integer, word, quoted, operator, or end.
        at: its index in the expression.
    """

    kind: str
    text: str
    at: int


class Tokens:
    """The words of one expression, read from left to right.

    Args:
        operators: the operators that this kind of expression has.
        what: how messages call it: requirement, rank.

    Raises:
        BadTemplate: with the column.
    """

    def __init__(self, text: str, dialect: Dialect, operators: frozenset[str], what: str) -> None:
        self._what = what
        if len(text) > LENGTH_MAX:
            raise BadTemplate(f"the {what} has {len(text)} characters: at most {LENGTH_MAX} are accepted")
        self._tokens = self._scan(text, _BLANKS[dialect], operators)
        self._next = 0
        self._depth = 0

    def _scan(self, text: str, blanks: re.Pattern[str], operators: frozenset[str]) -> list[Token]:
        tokens: list[Token] = []
        at = 0
        while True:
            space = blanks.match(text, at)
            at = space.end() if space else at
            if at == len(text):
                return [*tokens, Token("end", "", at)]
            if hint := _DOUBLED.get(text[at : at + 2]):
                self.refuse(f'unknown operator "{text[at : at + 2]}": {hint}', at)
            found = _TOKEN.match(text, at)
            if not found or (found["operator"] and found["operator"] not in operators):
                self._refuse_character(text, at, found["operator"] if found else "")
            kind = found.lastgroup or ""
            tokens.append(Token(kind, found[kind], at))
            at = found.end()

    def _refuse_character(self, text: str, at: int, operator: str) -> NoReturn:
        if operator:
            self.refuse(f'a {self._what} has no operator "{operator}"', at)
        if text[at] == '"':
            self.refuse('expected " to close the quote opened here, found end of text', at)
        if text[at] == "\n":
            self.refuse("a line cannot end inside a classic expression", at)
        self.refuse(f'"{text[at]}" has no meaning here; quote a text with such characters', at)

    @property
    def now(self) -> Token:
        """The word to be read next."""
        return self._tokens[self._next]

    def take(self) -> Token:
        """Return the next word and go past it; the end is never passed."""
        token = self._tokens[self._next]
        self._next += token.kind != "end"
        return token

    def took(self, *operators: str) -> str:
        """Go past the next word if it is one of these operators, and return it; else return nothing."""
        token = self.now
        if token.kind == "operator" and token.text in operators:
            self._next += 1
            return token.text
        return ""

    def deeper(self) -> None:
        """Count one level of nesting more."""
        self._depth += 1
        if self._depth > DEPTH_MAX:
            self.refuse(f"more than {DEPTH_MAX} levels of nesting")

    def shallower(self) -> None:
        """Count one level of nesting less."""
        self._depth -= 1

    def expected(self, what: str) -> NoReturn:
        """Raise: something else stands here."""
        token = self.now
        found = "end of text" if token.kind == "end" else f'"{token.text}"'
        self.refuse(f"expected {what}, found {found}")

    def refuse(self, why: str, at: int | None = None) -> NoReturn:
        """Raise BadTemplate with the column of `at`, or of the next word."""
        told = "".join(char if char.isprintable() else " " for char in why)  # one line, whatever is quoted
        raise BadTemplate(f"{self._what} column {(self.now.at if at is None else at) + 1}: {told}")


def leading_integer(text: str) -> int | None:
    """Return the integer that a text begins with, or None (reference/templates.md §1.2)."""
    found = _LEADING_INTEGER.match(text)
    return int(found.group(1)) if found else None


def leading_number(text: str) -> float | None:
    """Return the number that a text begins with, or None."""
    found = _LEADING_NUMBER.match(text)
    return float(found.group(1)) if found else None
