"""A scheduler in another language: a program that reads a problem and writes a plan.

What it says is checked for its form only: that ids are known, and each VM is placed once.  Whether a host has
the room is checked by the engine when the placement is committed, as for everybody.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from trifid.placement.candidates import candidates
from trifid.placement.filters import Filter
from trifid.placement.plan import Plan
from trifid.placement.policy import Planner
from trifid.placement.problem import ANY_DATASTORE, Answer, BadProblem, Placed, read_answer, write_problem
from trifid.placement.settings import Executable
from trifid.placement.view import View
from trifid.scheduler.program import ProgramFailed, run

log = logging.getLogger("trifid.scheduler")
_COMPLAINTS_MAX = 5
"""Wrong placements that are told one by one."""
_FAILED = "The program that decides has failed; it is asked again in the next cycle (log/scheduler.log tells why)"


class ExecutablePlanner:
    """Asks a program.

    Args:
        otherwise: decides when the program fails.
        directory: where the program runs.
        filters: rules beside the built-in ones, for the candidates that it is told.
    """

    def __init__(
        self, settings: Executable, otherwise: Planner, directory: Path, filters: Sequence[Filter] = ()
    ) -> None:
        self._filters = filters
        self._settings = settings
        self._otherwise = otherwise
        self._directory = directory

    def __call__(self, view: View) -> Plan:
        """Return the program's plan, or what there is instead when it fails."""
        name = self._settings.command[0]
        try:
            answer = self._answer(view)
        except (ProgramFailed, BadProblem) as fault:
            said = str(fault) if isinstance(fault, ProgramFailed) else f"{name} answered what is {fault}"
        else:
            return checked(answer, view, name)
        if self._settings.when_it_fails == "wait":
            log.error("%s; VMs wait for the next cycle", said)
            return Plan([], dict.fromkeys((vm.id for vm in view.vms), _FAILED))
        log.error("%s; this time the policy decides", said)
        return self._otherwise(view)

    def _answer(self, view: View) -> Answer:
        output = run(
            self._settings.command,
            write_problem(view, candidates(view, self._filters)),
            timeout_s=self._settings.timeout_s,
            answer_bytes_max=self._settings.answer_bytes_max,
            directory=self._directory,
        )
        return read_answer(output)


def checked(answer: Answer, view: View, name: str) -> Plan:
    """Return what of a program's answer can be carried out; VMs that it does not mention are told so."""
    vms, hosts = {vm.id for vm in view.vms}, {host.id for host in view.hosts}
    datastores = {one.record.id for one in view.datastores} | {ANY_DATASTORE}
    plan = Plan()
    wrong = []
    done: set[int] = set()
    for one in answer.placements:
        if why := _why_wrong(one, vms, hosts, datastores, done):
            wrong.append(f"VM {one.vm} on host {one.host}: {why}")
            continue
        done.add(one.vm)
        plan.placements.append((one.vm, one.host, one.datastore))
    for complaint in wrong[:_COMPLAINTS_MAX]:
        log.warning("%s placed %s", name, complaint)
    if len(wrong) > _COMPLAINTS_MAX:
        log.warning("%s made %d further mistakes of this kind", name, len(wrong) - _COMPLAINTS_MAX)
    for vm_id in sorted(vms - done):
        plan.refusals[vm_id] = answer.refusals.get(vm_id) or f"{name} did not place it and gave no reason"
    plan.warnings.update({vm_id: text for vm_id, text in answer.warnings.items() if vm_id in vms})
    return plan


def _why_wrong(one: Placed, vms: set[int], hosts: set[int], datastores: set[int], done: set[int]) -> str:
    if one.vm not in vms:
        return "this VM does not wait"
    if one.host not in hosts:
        return "there is no such host"
    if one.datastore not in datastores:
        return f"there is no datastore {one.datastore}"
    return "it was placed before" if one.vm in done else ""
