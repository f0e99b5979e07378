"""`onehost roll --dry-run`: the order, whether each host can be emptied, and whether one could be lost meanwhile."""

import json
from typing import Any

from trifid.cli.command import Given
from trifid.cli.dry_run import reason
from trifid.cli.host_roll import Member
from trifid.cli.sched_cluster import look
from trifid.cli.shell import Shell
from trifid.placement.planners.spare import losses


def dry_roll(shell: Shell, given: Given, members: list[Member]) -> None:
    """Tell what a roll over these hosts would do; the command ends as failed unless each of them can be emptied."""
    tried = [(member, _tried(shell, member)) for member in members]
    if given.json:
        shell.say(json.dumps({"hosts": [_document(*one) for one in tried], "lost": _lost(shell, given)}, indent=2))
    else:
        for place, (member, answer) in enumerate(tried, 1):
            shell.say(f"{place}. {_line(member, answer)}")
            for result in answer["results"]:
                if not result["fits"]:
                    shell.say(f"   {result['what']}: {reason(result)}")
        lost = _lost(shell, given)
        shell.say(f"A host that fails now could not be made up for: {', '.join(lost)}" if lost else "N-1 holds")
    shell.is_failed = shell.is_failed or any(answer["fitting"] < answer["asked"] for _, answer in tried)


def _tried(shell: Shell, member: Member) -> dict[str, Any]:
    """Ask the engine what would become of the VMs of one host, all others being there."""
    batch = {"vms": [{"action": "flush", "host": member.id}]}
    answer: dict[str, Any] = json.loads(shell.call("trifid.placement.dry_run", json.dumps(batch)))
    return answer


def _lost(shell: Shell, given: Given) -> list[str]:
    """Return the hosts whose VMs would find no room on the others."""
    seen = look(shell, given, for_restart=True)
    found = losses(seen.cluster.vms, seen.cluster.rooms, allows=seen.cluster.allows)
    return [seen.host_names[loss.host_id] for loss in found if not loss.is_survived]


def _line(member: Member, answer: dict[str, Any]) -> str:
    asked, fitting = answer["asked"], answer["fitting"]
    begun = ", begun before" if member.is_begun else ""
    if not asked:
        return f"{member.name}: nothing runs there{begun}"
    vms = f"{asked} VM{'' if asked == 1 else 's'}"
    return (
        f"{member.name}: {vms}, {'all fit' if asked > 1 else 'fits'} elsewhere{begun}"
        if fitting == asked
        else (f"{member.name}: {vms}, {asked - fitting} cannot leave{begun}")
    )


def _document(member: Member, answer: dict[str, Any]) -> dict[str, Any]:
    stay = [{"vm": one["what"], "why": reason(one)} for one in answer["results"] if not one["fits"]]
    return {"host": member.id, "name": member.name, "vms": answer["asked"], "is_begun": member.is_begun, "stay": stay}
