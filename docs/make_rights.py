"""Writes docs/rights.md from the table of rights: `python docs/make_rights.py`, and with `--check` only compares."""

import sys
from pathlib import Path

from trifid.methods import dispatch  # noqa: F401  (declares all methods)
from trifid.methods.registry import METHODS, Method
from trifid.methods.rights import RIGHTS, SYSTEM, WHOEVER, Need, Rights

PAGE = Path(__file__).parent / "rights.md"

HEAD = """\
# Which right each method needs

<!-- Made from src/trifid/methods/rights.py by docs/make_rights.py; change the table and run it again. -->

What rights are, and where a user has them from: [access.md](access.md). Members of group 0 have all. A call needs
every right of its row; of an object that is not there it is told that it is not there, whoever asks. The tests call
each method as random users with random rules, and compare the answers with this table.

| method | needs | of |
|---|---|---|
"""


def page() -> str:
    """Return the whole page."""
    named = sorted(name for name in RIGHTS if name in METHODS)
    return HEAD + "".join(_rows(METHODS[name], RIGHTS[name]) for name in named)


def _rows(method: Method, rights: Rights) -> str:
    cells = [_need(need) for need in rights.needs]
    if rights == WHOEVER:
        cells = [("nothing", "whoever is logged in")]
    if rights.is_for_admins:
        cells = [("group 0", "administrators only")]
    if rights.shows:
        cells.append(("nothing", f"shows what the caller may USE of {rights.shows}"))
    if rights.also:
        cells.append(("also", rights.also) if rights.needs else ("", rights.also))
    names = [f"`{method.name}`", *[""] * (len(cells) - 1)]
    return "".join(f"| {name} | {right} | {of} |\n" for name, (right, of) in zip(names, cells, strict=True))


def _need(need: Need) -> tuple[str, str]:
    when = f", when {need.when.text}" if need.when else ""
    if need.kind == SYSTEM:
        return "group 0", f"administrators only{when}"
    return need.right.name, f"{need.kind}{f' `{need.parameter}`' if need.parameter else ''}{when}"


def main() -> None:
    """Write the page, or check it."""
    text = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != text:
        sys.exit(f"{PAGE} is out of date: run .venv/bin/python docs/make_rights.py")


if __name__ == "__main__":
    main()
