"""Where the engine is and who calls it: from the environment, as all clients of the field do it.

Source: reference/xmlrpc.md §5 (ONE_AUTH, ONE_XMLRPC).
"""

import os
from pathlib import Path

from trifid.client.errors import ClientError, NoSession

DEFAULT_PORT = 2633
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (where clients call one that listens anywhere)


def from_environment(home: Path | None = None) -> tuple[str, str]:
    """Return endpoint and session string.

    A home given by the caller comes first.  Otherwise the session is the first line of the file
    $ONE_AUTH, else of $TRIFID_HOME/one_auth, else of ~/.one/one_auth; the endpoint is $ONE_XMLRPC, else
    that of $TRIFID_HOME/trifid.toml, else what ~/.one/one_endpoint holds, else http://localhost:2633/RPC2.

    Raises:
        NoSession: no such file, or nothing in it.
        ClientError: trifid.toml cannot be read, or $TRIFID_HOME names a directory without it.
    """
    return endpoint_of(home), _session(home)


def _home() -> Path | None:
    name = os.environ.get("TRIFID_HOME")
    return Path(name) if name else None


def session_file(home: Path | None = None) -> Path:
    """Return the file that the session string is read from (see from_environment)."""
    named = os.environ.get("ONE_AUTH")
    if home is not None:
        return home / "one_auth"
    if named:
        return Path(named)
    of_engine = _home()
    if of_engine is not None and (of_engine / "one_auth").exists():
        return of_engine / "one_auth"
    return Path("~/.one/one_auth").expanduser()


def _session(home: Path | None) -> str:
    path = session_file(home)
    try:
        session = path.read_text(encoding="utf-8").strip().partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as fault:
        why = getattr(fault, "strerror", None) or "not UTF-8 text"
        raise NoSession(
            f"no session: {path}: {why}: write USER:PASSWORD into it, or set ONE_AUTH to a file that has it"
        ) from fault
    if ":" not in session:
        raise NoSession(f"no session: {path} must hold one line USER:PASSWORD")
    return session


def endpoint_file() -> Path:
    """Return where the user's own choice of an endpoint is kept; `onezone set` writes it, other clients read it."""
    return Path("~/.one/one_endpoint").expanduser()


def _set_by_user() -> str:
    """Return the endpoint that the user chose, empty when there is none."""
    path = endpoint_file()
    try:
        return path.read_text(encoding="utf-8").strip().partition("\n")[0].strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as fault:
        why = getattr(fault, "strerror", None) or "not UTF-8 text"
        raise ClientError(f"{path}: {why}: name the endpoint with ONE_XMLRPC") from fault


def endpoint_of(home: Path | None = None) -> str:
    """Return where the engine of a home answers, or the one of the environment (see from_environment).

    Raises:
        ClientError: trifid.toml or one_endpoint cannot be read, or $TRIFID_HOME names a directory without the first.
    """
    named = os.environ.get("ONE_XMLRPC")
    if home is None and named:
        return named
    of_environment = _home() if home is None else None
    home = home or of_environment
    try:
        text = (home / "trifid.toml").read_text(encoding="utf-8") if home is not None else ""
    except FileNotFoundError as fault:
        if of_environment is not None:  # else what was meant for that engine would go to another one
            raise ClientError(
                f"TRIFID_HOME names {of_environment}, which is no home of an engine: there is no trifid.toml in it; "
                "correct it, or unset it"
            ) from fault
        text = ""
    except (OSError, UnicodeDecodeError) as fault:
        why = getattr(fault, "strerror", None) or "not UTF-8 text"
        raise ClientError(f"{home}/trifid.toml: {why}: name the endpoint with ONE_XMLRPC") from fault
    if not text:
        return _set_by_user() or f"http://localhost:{DEFAULT_PORT}/RPC2"
    import tomllib  # only here: it takes longer to load than all the rest of the client

    try:
        api = tomllib.loads(text).get("api", {})
    except ValueError as fault:
        raise ClientError(f"{home}/trifid.toml: {fault}") from fault
    if not isinstance(api, dict):
        raise ClientError(f"{home}/trifid.toml: api must be a table, [api]")
    listen = str(api.get("listen", "127.0.0.1"))
    host = _ANY_ADDRESS.get(listen, listen)
    return f"http://{f'[{host}]' if ':' in host else host}:{api.get('port', DEFAULT_PORT)}/RPC2"
