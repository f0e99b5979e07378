"""`onehost accept-key`: a host is spoken to only if its ssh key is known, and here somebody says which is right."""

import json
from typing import Any

import click

from trifid.cli.command import Argument, Command, Given
from trifid.cli.failure import Failure
from trifid.cli.kinds import HOST
from trifid.cli.shell import Shell
from trifid.cli.template_inputs import is_terminal

ACCEPT_KEY = click.Option(
    ["--accept-key"], is_flag=True, help="Believe the ssh key that the host offers now, and tell its fingerprint."
)
_REPLACE = click.Option(["--replace"], is_flag=True, help="Even if another key was accepted before.")
_YES = click.Option(["-y", "--yes"], is_flag=True, help="Do not ask: believe the key that the host offers now.")
_COMPARE = "compare it with what the host's console says: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"


def accept_unseen(shell: Shell, host_id: int, name: str) -> None:
    """Believe whatever key a new host offers, and tell it."""
    from trifid.client import ApiError

    try:
        _tell(shell, json.loads(shell.call("trifid.host.accept_key", host_id, "", False)))
    except ApiError:
        shell.tell(f'Host {name} is added without its key; once it is reached: "onehost accept-key {name}"')
        raise


def _accept(shell: Shell, given: Given) -> None:
    if given.yes:
        _tell(shell, json.loads(shell.call("trifid.host.accept_key", given.host, "", given.replace)))
        return
    fingerprint = given.fingerprint or _confirmed(shell, given.host, may_replace=given.replace)
    if fingerprint:
        _tell(shell, json.loads(shell.call("trifid.host.accept_key", given.host, fingerprint, given.replace)))


def _confirmed(shell: Shell, host_id: int, *, may_replace: bool) -> str:
    """Return the fingerprint of the key that somebody has looked at; empty when it is known already."""
    key = json.loads(shell.call("trifid.host.key", host_id))
    if key["standing"] == "known":
        shell.say(f"{key['type']} {key['fingerprint']} is known.")
        return ""
    shell.say(f"The host offers {key['type']} {key['fingerprint']}.")
    if key["standing"] == "changed":
        shell.say(f"Before it had {key['before'] or 'another one, which known_hosts of ssh has'}.")
        if not may_replace:
            raise Failure("the host's key has changed: somebody may stand in its place", f"{_COMPARE}; then --replace")
    if not is_terminal():
        raise Failure("nobody can be asked whether that is the host's key", f"{_COMPARE}; then name it, or use --yes")
    if not click.confirm("Is that its key?"):
        raise Failure("nothing was accepted", _COMPARE)
    return str(key["fingerprint"])


def _tell(shell: Shell, key: dict[str, Any]) -> None:
    instead = f", in the place of {key['before']}" if key["before"] and key["standing"] == "changed" else ""
    shell.say(f"{key['type']} {key['fingerprint']} is the host's key from now on{instead}.")


KEY_ROWS = (
    Command(
        "accept-key",
        "Believe the ssh key of a host, so that it is spoken to.",
        (Argument("HOST", HOST), Argument("FINGERPRINT", optional=True)),
        run=_accept,
        options=(_REPLACE, _YES),
        more="Without a FINGERPRINT the key that the host offers is shown, and you are asked.  It is believed of this "
        "host only.  Keys that ssh knows by itself (known_hosts) need not be accepted.",
        examples=("accept-key node1", "accept-key node1 SHA256:aEHyWQYcE118RtxcVMDpWydBtnc7huguTaTccaEVG00"),
    ),
)
