"""`trifid status`: the engine, its processes, and what it manages."""

import json
from collections import Counter
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import click

from trifid.cli.command import Given
from trifid.cli.failure import Failure
from trifid.cli.figures import full_moment
from trifid.cli.home import Home, existing_home
from trifid.cli.host import short_state as host_state
from trifid.cli.kinds import HOST, NETWORK, VM
from trifid.cli.listing import pairs, section
from trifid.cli.shell import Shell
from trifid.cli.vm_columns import short_state as vm_state
from trifid.client.errors import ClientError
from trifid.client.session import endpoint_of

NOT_RUNNING = 3
NOT_ANSWERING = 1
_DATABASE = "sqlite:///trifid.db"


def status(shell: Shell, given: Given) -> None:
    """Tell how the engine is; ends with status 3 when none runs, 1 when it does not answer."""
    home = existing_home(shell)
    shell.home = home.path
    found = look(shell, home)
    if given.json:
        shell.say(json.dumps(found, indent=2, ensure_ascii=False))
    elif given.pids:
        for process in found["processes"]:
            if process["pid"]:
                shell.say(f"{process['pid']} {process['name']}")
    else:
        _print(shell, found)
    if not found["running"]:
        click.get_current_context().exit(NOT_RUNNING)
    if found["trouble"]:
        click.get_current_context().exit(NOT_ANSWERING)


def look(shell: Shell, home: Home) -> dict[str, Any]:
    """Return all that is known about the engine of a home."""
    settings = home.settings()
    pid = home.pid()
    found: dict[str, Any] = {
        "running": bool(pid),
        "trouble": "",
        "pid": pid,
        "since": int(home.pid_file.stat().st_mtime) if pid else 0,
        "home": str(home.path),
        "endpoint": endpoint_of(home.path),
        "database": without_password(str(settings.get("database", {}).get("url", _DATABASE))),
        "version": "",
        "api_version": "",
        "processes": [{"name": "engine", "pid": pid, "trouble": ""}, *home.children()] if pid else [],
        "hosts": {},
        "vms": {},
        "networks": 0,
    }
    if pid:
        try:
            _ask(shell, found)
        except (ClientError, Failure) as fault:
            found["trouble"] = str(fault)
    elif home.is_locked():
        found["trouble"] = "it is just starting or ending"
    elif home.pid_file.exists():
        found["trouble"] = f"the last one did not end in an orderly way, see {home.log_file}; nothing is lost"
    return found


def _ask(shell: Shell, found: dict[str, Any]) -> None:
    from trifid.cli.columns import View

    found["version"] = shell.call("trifid.system.version")
    found["api_version"] = shell.call("one.system.version")
    found["hosts"] = dict(Counter(host_state(host, View()) for host in shell.all(HOST)))
    found["vms"] = dict(Counter(vm_state(vm, View()) for vm in shell.all(VM)))
    found["networks"] = len(shell.all(NETWORK))


def without_password(url: str) -> str:
    """Return a database's URL as it may be shown."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    who, _, where = parts.netloc.rpartition("@")
    user, colon, _ = who.partition(":")
    return urlunsplit(parts._replace(netloc=f"{user}{':***' if colon else ''}@{where}"))


def _print(shell: Shell, found: dict[str, Any]) -> None:
    section(shell, "ENGINE")
    state = (
        f"running, process {found['pid']}, since {full_moment(found['since'])}" if found["running"] else "not running"
    )
    lines = {"STATE": state, "HOME": found["home"], "ENDPOINT": found["endpoint"], "DATABASE": found["database"]}
    if found["version"]:
        lines["VERSION"] = f"{found['version']}, speaks the API of {found['api_version']}"
    if found["trouble"]:
        lines["TROUBLE"] = found["trouble"]
    if not found["running"]:
        lines["NEXT"] = f"trifid start --home {found['home']}"
    pairs(shell, lines)
    if not found["running"]:
        return
    section(shell, "PROCESSES")
    for process in found["processes"]:
        how = f"process {process['pid']}" if process["pid"] else "no process"
        trouble = f": {process['trouble']}" if process["trouble"] else ""
        shell.say(f"{process['name']:<20}: {how}{trouble}")
    if found["version"]:
        section(shell, "MANAGED")
        shell.say(f"{'HOSTS':<20}: {_counted(found['hosts'])}")
        shell.say(f"{'VMS':<20}: {_counted(found['vms'])}")
        shell.say(f"{'NETWORKS':<20}: {found['networks']}")


def _counted(states: dict[str, int]) -> str:
    if not states:
        return "0"
    parts = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    return f"{sum(states.values())} ({parts})"
