"""`onevm` commands on what a NIC has: its security groups, and how fast it is."""

from typing import Any

import click

from trifid.cli.command import Argument, Command, Given, WholeNumber
from trifid.cli.editing import read
from trifid.cli.failure import Failure
from trifid.cli.kinds import SECURITY_GROUP, VM
from trifid.cli.vm_schedule import number_of

VMS = Argument("VM", VM, many=True)
_NIC = Argument("NIC")
_LIMITS = tuple(
    (f"{way}-{what}", f"{way.upper()}_{key}", f"{about} {to} the VM, {unit}; 0 is no limit.")
    for way, to in (("inbound", "to"), ("outbound", "from"))
    for what, key, about, unit in (
        ("avg", "AVG_BW", "Average", "KiB/s"),
        ("peak", "PEAK_BW", "Peak", "KiB/s"),
        ("burst", "PEAK_KB", "How much may pass at the peak", "KiB"),
    )
)
"""Option, key of the NIC, help."""
_REPLACE, _MERGE = 0, 1


def _group(vm_id: int, given: Given) -> tuple[Any, ...]:
    return vm_id, number_of(given.nic, "a NIC"), given.secgroup


def _update(vm_id: int, given: Given) -> tuple[Any, ...]:
    values = {key: getattr(given, option.replace("-", "_")) for option, key, _ in _LIMITS}
    values["SECURITY_GROUPS"] = given.security_groups
    options = {key: str(value) for key, value in values.items() if value is not None}
    if given.file is not None and not options:
        return vm_id, number_of(given.nic, "a NIC"), read(given.file), _MERGE if given.append else _REPLACE
    if given.file is not None or not options:
        raise Failure("say what to change: a FILE, or options such as --inbound-avg", "not both, and not neither")
    if '"' in options.get("SECURITY_GROUPS", ""):
        raise Failure(f"{given.security_groups} is no list of security groups", "ids with commas between: 0,100")
    unlimited = {key: "" for key, value in options.items() if value == "0" and key != "SECURITY_GROUPS"}
    inner = ", ".join(f'{key} = "{value}"' for key, value in (options | unlimited).items())
    return vm_id, number_of(given.nic, "a NIC"), f"NIC = [ {inner} ]", _MERGE


NIC_ROWS = (
    Command(
        "sg-attach",
        "Give a NIC of a VM another security group, running or not.",
        (VMS, _NIC, Argument("SECGROUP", SECURITY_GROUP)),
        "one.vm.attachsg",
        _group,
        examples=("sg-attach 3 0 web",),
    ),
    Command(
        "sg-detach",
        "Take a security group away from a NIC of a VM, running or not; the last one stays.",
        (VMS, _NIC, Argument("SECGROUP", SECURITY_GROUP)),
        "one.vm.detachsg",
        _group,
        examples=("sg-detach 3 0 default",),
    ),
    Command(
        "nic-update",
        "Change the security groups of a NIC, and how fast it is: from FILE, - for standard input, or by options.",
        (VMS, _NIC, Argument("FILE", optional=True)),
        "one.vm.updatenic",
        _update,
        options=(
            click.Option(["--security-groups"], metavar="IDS", help="All its security groups, commas between."),
            *(
                click.Option([f"--{option}"], type=WholeNumber(0), metavar="N", help=about)
                for option, _, about in _LIMITS
            ),
            click.Option(["-a", "--append"], is_flag=True, help="Keep the limits that FILE does not name."),
        ),
        examples=("nic-update 3 0 --inbound-avg 1024 --outbound-avg 512", "nic-update 3 0 nic.txt --append"),
    ),
)
