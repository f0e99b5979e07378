"""`trifid sched spare`: whether any one host can be lost."""

import json
from typing import Any

import click

from trifid.cli.command import Given
from trifid.cli.figures import memory
from trifid.cli.sched_cluster import Look, look
from trifid.cli.shell import Shell
from trifid.placement.planners.spare import Loss, Stranded, losses

_CANNOT_BE_LOST = 1


def spare(shell: Shell, given: Given) -> None:
    """Tell what the loss of each host would mean; fails when VMs would be left without a host."""
    seen = look(shell, given, for_restart=True)
    found = losses(seen.cluster.vms, seen.cluster.rooms, allows=seen.cluster.allows)
    lacking = [loss for loss in found if not loss.is_survived]
    if given.json:
        shell.say(json.dumps([_document(loss, seen) for loss in found], indent=2))
    elif not lacking:
        hosts = f"Any one of the {len(found)} hosts" if len(found) > 1 else "The one host"
        shell.say(
            f"{hosts} in use can be lost: its VMs can be started on the others."
            if found
            else "No host is in use: nothing can be lost."
        )
    for loss in lacking if not given.json else []:
        shell.say(
            f"Host {seen.host_names[loss.host_id]} cannot be lost: {len(loss.stranded)} of its {loss.vms} VMs could "
            "not be started again"
        )
        for one in loss.stranded:
            shell.say(f"  VM {one.vm_id} {seen.vm_names.get(one.vm_id, '')}: {_missing(one, seen)}")
    if lacking:
        raise click.exceptions.Exit(_CANNOT_BE_LOST)


def _missing(one: Stranded, seen: Look) -> str:
    if one.nearest_host_id < 0:
        return "it may be on no other host"
    parts = []
    if one.memory_mib:
        parts.append(f"{memory(one.memory_mib * 1024)} of memory")
    if one.cpu_percent:
        parts.append(f"{one.cpu_percent / 100:g} cores")
    return f"{' and '.join(parts)} missing on {seen.host_names[one.nearest_host_id]}, the nearest"


def _document(loss: Loss, seen: Look) -> dict[str, Any]:
    return {
        "host": loss.host_id,
        "name": seen.host_names[loss.host_id],
        "vms": loss.vms,
        "can_be_lost": loss.is_survived,
        "stranded": [
            {
                "vm": one.vm_id,
                "nearest_host": one.nearest_host_id,
                "cpu_percent_missing": one.cpu_percent,
                "memory_mib_missing": one.memory_mib,
            }
            for one in loss.stranded
        ],
    }
