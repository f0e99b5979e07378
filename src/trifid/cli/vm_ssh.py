"""`onevm ssh`: log in to a VM, at the address that the engine gave it."""

import ipaddress
import subprocess
from typing import Any

import click

from trifid.cli.command import Given
from trifid.cli.failure import Failure
from trifid.cli.follow import state_of
from trifid.cli.kinds import VM
from trifid.cli.shell import Shell
from trifid.wire.elements import several

_DEFAULT_LOGIN = "root"


def ssh(shell: Shell, given: Given) -> None:
    """Run `onevm ssh`."""
    vm = shell.one(VM, given.vm)
    if state_of(vm) != "RUNNING":
        raise Failure(f"VM {given.vm} is {state_of(vm)}", f'"onevm resume {given.vm} --wait RUNNING" starts it')
    login = given.login or _DEFAULT_LOGIN
    if login.startswith("-") or "@" in login:
        raise Failure(f"{login} is not the name of a user", "such as root or debian")
    command = ["ssh", "--", f"{login}@{_address(vm, given.nic)}", *([given.cmd] if given.cmd else [])]
    try:
        status = subprocess.call(command)
    except OSError as fault:
        raise Failure(f"ssh: {fault.strerror}", "install an ssh client") from fault
    if status:
        raise click.exceptions.Exit(status if status > 0 else 1)


def _address(vm: dict[str, Any], nic_id: str | None) -> str:
    """Return an address of a VM: IPv4 before IPv6.

    Raises:
        Failure: it has none, or not on that NIC.
    """
    nics = [nic for nic in several((vm.get("TEMPLATE") or {}).get("NIC")) if isinstance(nic, dict)]
    for nic in nics:
        if nic_id in (None, nic.get("NIC_ID")):
            for key in ("IP", "IP6_GLOBAL", "IP6", "IP6_ULA"):
                try:
                    return str(ipaddress.ip_address(nic.get(key, "")))
                except ValueError:
                    continue
    where = "" if nic_id is None else f" on NIC {nic_id}"
    raise Failure(f"VM {vm['ID']} has no address{where}", f'"onevm show {vm["ID"]}" tells its networks')
