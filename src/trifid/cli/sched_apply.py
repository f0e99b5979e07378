"""`trifid sched plan --apply`: the migrations of a plan, wave by wave."""

from collections.abc import Iterable, Mapping, Sequence

from trifid.cli.failure import Failure
from trifid.cli.follow import state_of
from trifid.cli.kinds import VM
from trifid.cli.news import News
from trifid.cli.shell import Shell
from trifid.placement.planners.progress import PlanBroken, Progress, Seen
from trifid.placement.planners.steps import Step
from trifid.wire.elements import several

_NOT_FOUND = 0x0400
_ADVICE = '"trifid sched plan" makes a new plan from where the VMs are'


def carry_out(shell: Shell, steps: Sequence[Step], names: Mapping[int, str], timeout_s: float) -> None:
    """Ask for the migrations of each wave when the one before is done, and tell how it goes.

    Args:
        names: of the hosts, by id.
        timeout_s: longest that one wave may take.

    Raises:
        Failure: a migration was refused, failed or took too long, or a VM is not where the plan needs it.
    """
    progress, news = Progress(steps), News(shell)
    wave_began = shell.clock()
    while True:
        try:
            due = progress.go_on(_seen(shell, progress.watched()))
        except PlanBroken as broken:
            raise _stopped(str(broken), progress, steps) from broken
        if progress.is_over:
            break
        if due:
            wave_began = shell.clock()
            _ask(shell, due, progress, steps, names)
            continue
        left_s = wave_began + timeout_s - shell.clock()
        if left_s <= 0:
            slow = ", ".join(str(step.vm_id) for step in progress.asked)
            raise _stopped(f"VM {slow} is still moving after {timeout_s:g} s", progress, steps)
        news.wait(left_s)
    shell.tell(f"done: {progress.done} of {len(steps)} migrations")


def _ask(
    shell: Shell, due: Sequence[Step], progress: Progress, steps: Sequence[Step], names: Mapping[int, str]
) -> None:
    from trifid.client import ApiError

    for step in due:
        shell.tell(
            f"wave {step.wave + 1}, {progress.done + 1} of {len(steps)}: VM {step.vm_id} from {names[step.source_id]} "
            f"to {names[step.target_id]}{', to stop over' if step.is_stopover else ''}"
        )
        try:
            shell.call("one.vm.migrate", step.vm_id, step.target_id, True, True)
        except ApiError as refused:
            raise _stopped(refused.message, progress, steps) from refused


def _stopped(why: str, progress: Progress, steps: Sequence[Step]) -> Failure:
    return Failure(f"stopped after {progress.done} of {len(steps)} migrations: {why}", _ADVICE)


def _seen(shell: Shell, vm_ids: Iterable[int]) -> dict[int, Seen]:
    """Return the VMs as they are now; those that are gone are not among them."""
    from trifid.client import ApiError

    found = {}
    for vm_id in vm_ids:
        try:
            vm = shell.one(VM, vm_id)
        except ApiError as refused:
            if refused.code != _NOT_FOUND:
                raise
            continue
        records = several((vm.get("HISTORY_RECORDS") or {}).get("HISTORY"))
        found[vm_id] = Seen(int(records[-1]["HID"]) if records else -1, state_of(vm))
    return found
