"""A decision in one line, as it is kept with the VM it was made for."""

from trifid.core.template.validate import shown
from trifid.placement.view import Expression

TEXT_LENGTH_MAX = 1000
"""Longest text of a decision that the engine keeps."""


def decision_text(
    at: str,
    host: tuple[str, int],
    *,
    fitting: int,
    hosts: int,
    rank: Expression,
    value: int,
    runner_up: tuple[str, int] | None = None,
) -> str:
    """Return why a VM is where it is: `2026-11-25 12:00 host-3 [3] of 37 that fit (40 hosts): SCHED_RANK …`.

    Args:
        at: when it was decided, for people.
        host: name and id of the host that was taken.
        fitting: how many hosts would have done, this one included.
        hosts: how many there were.
        rank: by what they were compared: the VM's own rank, or the policy's under the policy's name.
        value: the rank of the host that was taken.
        runner_up: name and rank of the next best host.
    """
    name, host_id = host
    measure = f"{rank.attribute} {shown(rank.text.strip())}" if rank.text.strip() else f"{rank.attribute} (none)"
    after = f"; next {runner_up[0]} with {runner_up[1]}" if runner_up is not None else ""
    plural = "" if hosts == 1 else "s"
    text = f"{at} {name} [{host_id}] of {fitting} that fit ({hosts} host{plural}): {measure} = {value}{after}"
    return text[:TEXT_LENGTH_MAX]
