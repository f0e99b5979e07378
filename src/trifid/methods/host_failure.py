"""trifid.host.fenced and trifid.host.signs: a host that is not heard of."""

import msgspec
from msgspec.structs import replace

from trifid.core.access import Right, check
from trifid.core.host import Host, HostState
from trifid.core.host_failure.fence import Fence, FenceState
from trifid.core.host_failure.judge import Judgement, described
from trifid.engine.failover import marks
from trifid.engine.host_state import WATCHED, set_host_state
from trifid.engine.transaction import Draft
from trifid.methods.common import read
from trifid.methods.registry import Call, method


@method("trifid.host.fenced")
async def fenced(call: Call, host_id: int) -> int:
    """Say that a host runs nothing any more: its VMs start elsewhere on the strength of that word.

    Whoever says so has seen to it that it is off.  It is refused while there are signs that it runs.
    """
    check(call.caller, Right.ADMIN, "HOST", read(call.engine.turns.memory.hosts, "hosts", host_id))
    failover, outbox = call.engine.failover, call.engine.outbox
    limit = call.engine.config.failover.restarts_at_once

    def command(draft: Draft) -> int:
        host = draft.host(host_id)
        check(call.caller, Right.ADMIN, "HOST", host)
        failover.refuse_word(host)
        if host.fence is None:
            if host.state in WATCHED:
                set_host_state(draft, host_id, HostState.ERROR, "it is said to be off")
            draft.put(replace(draft.host(host_id), fence=Fence(FenceState.ASKED, draft.now)))
        proof = f"{call.caller.name} says that it is off"
        marks.confirm(draft, host_id, marks.coverable(draft, host_id, outbox.is_undecided), proof, call.caller)
        marks.release(draft, host_id, limit)
        return host_id

    return await call.ask(command)


@method("trifid.host.signs")
async def signs(call: Call, host_id: int) -> str:
    """Answer, as JSON, the signs of life of a host, what they say, and what follows for its VMs.

    `{"judgement": "CUT_OFF", "signs": "monitoring: 95 s ago, …", "fence": "", "follows": "its VMs stay UNKNOWN: …"}`
    """
    host = read(call.engine.turns.memory.hosts, "hosts", host_id)
    check(call.caller, Right.USE, "HOST", host)
    failover = call.engine.failover
    seen, judgement = failover.signs(host), failover.judgement(host)
    told = {
        "judgement": str(judgement),
        "signs": described(seen),
        "fence": _fence(host),
        "follows": _follows(call, host, judgement),
    }
    return msgspec.json.encode(told).decode()


def _fence(host: Host) -> str:
    fence = host.fence
    if fence is None:
        return ""
    if not fence.is_confirmed:
        return f"asked, not confirmed{': ' + fence.trouble if fence.trouble else ''}"
    waiting = f", {len(fence.covers)} more wait their turn" if fence.covers else ""
    if fence.trouble:
        waiting += f"; {fence.trouble}"
    vms = "VM" if len(fence.released) == 1 else "VMs"
    return f"confirmed: {fence.proof}; {len(fence.released)} {vms} went on elsewhere{waiting}"


def _follows(call: Call, host: Host, judgement: Judgement) -> str:
    """Return what becomes of the host's VMs, for people; empty while it is well."""
    failover, fence = call.engine.failover, host.fence
    again = f'"onehost enable {host.id}" lets it be used again'
    if fence is not None and fence.is_confirmed:
        is_back = judgement in (Judgement.ALIVE, Judgement.CUT_OFF)
        return f"it shows signs of life again, and takes no VMs: {again}" if is_back else f"it takes no VMs: {again}"
    word = f'"onehost fenced {host.id}" once you have seen to it that it is off'
    if judgement is Judgement.CUT_OFF:
        return "its VMs stay UNKNOWN: its heartbeat goes on, so it runs and is cut off from the front-end"
    if fence is not None:
        return f"its VMs stay UNKNOWN until it is confirmed to be off; or say {word}"
    if judgement is Judgement.SILENT:
        why = failover.why_not.get(host.id) or (
            "it is being fenced" if failover.is_wanted(host) else "it is not fenced by itself (FAILOVER)"
        )
        return f"its VMs stay UNKNOWN: {why}; or say {word}"
    if host.state is HostState.ERROR:
        return "its VMs stay UNKNOWN for now: it has not been silent for long enough to say anything"
    return ""
