"""`trifid sched leases`: leases as a table, and as a picture of the next hours."""

import json
from typing import Any

import msgspec
from msgspec import to_builtins

from trifid.cli.command import Given
from trifid.cli.kinds import HOST, VM
from trifid.cli.lease_picture import Bar, picture
from trifid.cli.shell import Shell
from trifid.client.errors import ApiError
from trifid.core.template.lease import moment_text
from trifid.core.vm.states import printable_state
from trifid.errors import BadTemplate
from trifid.placement import lease_rules as rules
from trifid.placement.fields import branch, integer, lease_of, text
from trifid.placement.reading_placed import SUSPENDED, placed_vms
from trifid.placement.timeline import FOREVER
from trifid.placement.view import LeaseMark
from trifid.wire.elements import one_element

_SUSPENDED = "suspended for another"
_LINE = "{id:>6} {name:<16.16} {user:<10.10} {kind:<13} {start:<19} {end:<19} {host:<14.14} {state}"
_PENDING = 1


class Shown(msgspec.Struct):
    """A lease as it is listed.

    Attributes:
        kind: best effort, now or reserved; "?" when its attribute cannot be understood.
        start, end: epoch seconds; None = nobody knows yet, or there is none.
        duration_s: None = without end.
        state: waiting, accepted, suspended for another, or the state of its VM.
        message: why it waits.
    """

    id: int
    name: str
    user: str
    kind: str
    is_preemptible: bool
    start: int | None
    end: int | None
    duration_s: int | None
    host_id: int
    host: str
    state: str
    message: str


def leases(shell: Shell, given: Given) -> None:
    """Print the leases of all VMs that can be seen."""
    now = shell.now()
    names = {integer(host.get("ID")): text(host, "NAME") for host in shell.all(HOST)}
    found = [
        shown
        for element in shell.all(VM)
        if lease_of(branch(element, ("USER_TEMPLATE",))) is not None
        and (shown := _shown(shell, integer(element.get("ID")), names, now)) is not None
    ]
    found.sort(key=lambda one: one.id)
    if given.json:
        shell.say(json.dumps(to_builtins(found), indent=2, ensure_ascii=False))
    elif not found:
        shell.say("No VM has a lease: none has HAIZEA in its template.")
    else:
        _print(shell, found, now, given.hours)


def _shown(shell: Shell, vm_id: int, names: dict[int, str], now: int) -> Shown | None:
    """Return a lease as it is now; None when its VM is gone meanwhile."""
    try:
        document = shell.call(VM.info, vm_id)
    except ApiError:
        return None
    vm = one_element(document, VM.element)
    user = branch(vm, ("USER_TEMPLATE",))
    lease = lease_of(user)
    if lease is None:
        return None
    try:
        terms = rules.terms(lease, integer(vm.get("STIME")))
    except BadTemplate:
        terms = None
    mark = lease.mark
    is_accepted = terms is not None and rules.is_accepted(terms, mark)
    start = mark.start if is_accepted else terms.start if terms else 0
    host_id, end = mark.host_id, mark.end if is_accepted else 0
    for placed in placed_vms(document):
        host_id, start = placed.host_id, placed.since
        end = rules.end_of(placed, terms, mark, now) if terms and placed.runs_since else end
    return Shown(
        id=vm_id,
        name=text(vm, "NAME"),
        user=text(vm, "UNAME"),
        kind=terms.kind.value if terms else "?",
        is_preemptible=terms is not None and terms.is_preemptible,
        start=start or None,
        end=end if 0 < end < FOREVER else None,
        duration_s=terms.duration_s if terms else None,
        host_id=host_id,
        host=names.get(host_id, f"host {host_id}") if host_id >= 0 else "",
        state=_state(vm, mark, is_accepted=is_accepted),
        message=text(user, "SCHED_MESSAGE"),
    )


def _state(vm: dict[str, Any], mark: LeaseMark, *, is_accepted: bool) -> str:
    state, lcm_state = integer(vm.get("STATE")), integer(vm.get("LCM_STATE"))
    if state == _PENDING:
        return "accepted" if is_accepted else "waiting"
    if state == SUSPENDED and mark.state == rules.SUSPENDED:
        return _SUSPENDED
    return printable_state(state, lcm_state).lower()


def _print(shell: Shell, found: list[Shown], now: int, hours: int) -> None:
    heads = {"id": "ID", "name": "NAME", "user": "USER", "kind": "KIND", "host": "HOST", "state": "STATE"}
    shell.say(_LINE.format(**heads, start="START (UTC)", end="END (UTC)"))
    for one in found:
        shown = to_builtins(one)
        shown["kind"] += " *" if one.is_preemptible else ""
        shown["start"] = moment_text(one.start) if one.start else "-"
        shown["end"] = moment_text(one.end) if one.end else "-"
        shown["host"] = one.host or "-"
        shell.say(_LINE.format(**shown).rstrip())
    if any(one.is_preemptible for one in found):
        shell.say("* may be suspended for others")
    for one in found:
        if one.state == _SUSPENDED and one.message:
            shell.say(f"{one.id} {one.name}: {one.message}")
    bars = [_bar(one, now) for one in found if one.host and one.state not in ("hold", "poweroff")]
    for line in picture(bars, now, hours) if bars else []:
        shell.say(line)


def _bar(one: Shown, now: int) -> Bar:
    is_there = one.state not in ("accepted", "waiting")
    sign = "-" if one.state.startswith("suspended") else "~" if one.is_preemptible else "#" if is_there else "="
    return Bar(one.host, f"{one.id} {one.name}", now if is_there else one.start or now, one.end, sign)
