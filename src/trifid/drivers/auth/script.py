"""A program of the administrator's, of any language: HOME/auth/NAME/authenticate, or HOME/auth/NAME itself.

It reads one XML document from its standard input, `AUTHN/{USERNAME,PASSWORD,SECRET}`.  Exit status 0 says that the
secret is right; then it prints `NAME USER PASSWORD [GROUPS]`, of which a user is made that is not there yet.  Any other
exit status says that it is wrong, and what it printed on standard error is logged.
Source: reference/drivers.md §2.3: the document and the answers are upstream's, since 5.6.
"""

import os
from pathlib import Path
from xml.sax.saxutils import escape

from trifid.drivers.auth.bounded import run_bounded
from trifid.drivers.auth.method import Login, is_method
from trifid.drivers.kit import Failure, Request

DONE_WITHIN_S = 110.0
"""The engine gives up before, and then has it ended."""
OUTPUT_BYTES_MAX = 64 << 10


def script(request: Request, login: Login) -> str:
    """Ask the program."""
    program = find_program(login.place, login.method)
    if program is None:
        raise Failure(
            f"Authentication driver '{login.method}' not available: {login.place / login.method} is not there"
        )
    if not os.access(program, os.X_OK):
        raise Failure(f"{program} is not executable: chmod +x {program}")
    out = run_bounded(
        request, (str(program),), _document(login), timeout_s=DONE_WITHIN_S, output_bytes_max=OUTPUT_BYTES_MAX
    )
    return next((line.strip() for line in out.splitlines() if line.strip()), "")


def find_program(place: Path, method: str) -> Path | None:
    """Return the program of a method, None when there is none."""
    if not is_method(method):
        return None
    for path in (place / method / "authenticate", place / method):
        if path.is_file():
            return path
    return None


def _document(login: Login) -> str:
    parts = (("USERNAME", login.name), ("PASSWORD", login.kept), ("SECRET", login.secret))
    return f"<AUTHN>{''.join(f'<{name}>{escape(text)}</{name}>' for name, text in parts)}</AUTHN>\n"
