"""Files from the web: http and https, nothing else, a limited number of redirections."""

import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from trifid.drivers.kit import Failure
from trifid.drivers.tm.files import BLOCK_BYTES, Progress, arriving, need_space

SILENCE_MAX_S = 60.0
"""A server that sends nothing for so long has failed."""
SCHEMES = ("http", "https")
_ZEROS = bytes(BLOCK_BYTES)


class _Redirections(urllib.request.HTTPRedirectHandler):
    max_redirections = 5
    max_repeats = 2


def is_url(operand: str) -> bool:
    """Tell whether an operand is a URL and no path."""
    return "://" in operand


def fetch(url: str, target: Path, progress: Progress, mode: int) -> None:
    """Fetch a file to its place, complete or not at all.

    Raises:
        Failure: not http(s), refused, cut short, too slow, or no space for it.
        OSError: it cannot be written.
    """
    if urlsplit(url).scheme not in SCHEMES:
        raise Failure(f"{shown(url)}: only http and https are fetched")
    request = urllib.request.Request(url)  # noqa: S310  the scheme is checked, here and by the opener
    try:
        with _opener().open(request, timeout=SILENCE_MAX_S) as answer:
            _save(answer, target, progress, mode)
    except TimeoutError as fault:
        raise Failure(f"{shown(url)}: nothing came for {SILENCE_MAX_S:g} s") from fault
    except (urllib.error.URLError, http.client.HTTPException, ConnectionError, ValueError) as fault:
        raise Failure(f"{shown(url)}: {fault}") from fault


def shown(url: str) -> str:
    """Return a URL as messages may show it: without user, password and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _opener() -> urllib.request.OpenerDirector:
    """Return an opener that knows no file: and no ftp:, so that no redirection leads there."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        _Redirections(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _save(answer: http.client.HTTPResponse, target: Path, progress: Progress, mode: int) -> None:
    length = answer.headers.get("Content-Length", "")
    expected = int(length) if length.isascii() and length.isdigit() else 0
    need_space(target.parent, expected)
    done = 0
    with arriving(target, mode) as file:
        while block := answer.read(BLOCK_BYTES):
            if block == _ZEROS[: len(block)]:
                file.seek(len(block), os.SEEK_CUR)
            else:
                file.write(block)
            done += len(block)
            progress(done, expected)
        if expected and done != expected:
            raise Failure(f"cut short after {done} of {expected} bytes")
        file.truncate(done)
