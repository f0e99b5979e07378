"""Re-placement by policy: every so often a plan, carried out a few migrations at a time, or only told.

The scheduler's loop asks `due` in every round in which `wants` says so, and asks the engine for the migrations that it
returns, each by one.vm.migrate, live and with enforce.  One that is refused is told back by `refused`.
"""

import logging
from collections.abc import Collection

from trifid.core.vm.states import printable_state
from trifid.placement.planners.cluster import Cluster, cluster_of
from trifid.placement.planners.plan import Options, Plan, plan
from trifid.placement.planners.progress import PlanBroken, Progress, Seen
from trifid.placement.planners.steps import Limits, Step
from trifid.placement.settings import Replacement as Settings
from trifid.placement.view import View

log = logging.getLogger("trifid.scheduler")


class Replacement:
    """Plans again and again, and never two plans at the same time.

    All moments are seconds of one clock that never goes back.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._next_at = 0.0
        self._progress: Progress | None = None
        self._moved_at: dict[int, float] = {}

    def wants(self, now: float) -> bool:
        """Tell whether `due` has something to decide: it needs a view with the placed VMs, which costs time to read."""
        return self._settings.mode != "off" and (self._progress is not None or now >= self._next_at)

    def next_at(self) -> float:
        """Return when it has something to decide next if nothing happens; inf when never."""
        return self._next_at if self._settings.mode != "off" else float("inf")

    def due(self, now: float, view: View) -> list[Step]:
        """Return the migrations to ask for now.

        Args:
            view: with all VMs that are on hosts in `placed`, and their groups; VMs whose group is not there stay.
        """
        if not self.wants(now):
            return []
        if self._progress is None:
            self._next_at = now + self._settings.interval_s
            self._progress = self._begun(view, self._held(now, view))
            if self._progress is None:
                return []
        return self._gone_on(self._progress, now, view)

    def refused(self, step: Step, why: str) -> None:
        """Give a plan up of which the engine refused a migration: the next one looks anew."""
        log.warning(
            "re-placement ends: vm %d  does not move from host %d to host %d: %s",
            step.vm_id,
            step.source_id,
            step.target_id,
            why,
        )
        self._moved_at.pop(step.vm_id, None)
        self._progress = None

    def _begun(self, view: View, held: Collection[int]) -> Progress | None:
        settings = self._settings
        options = Options(Limits(at_once=settings.migrations_max), utilisation_gain_min=settings.gain_min)
        cluster: Cluster = cluster_of(view, held=held)
        made = plan(settings.goal, cluster.vms, cluster.rooms, options, cluster.allows)
        if not made.steps:
            return None
        log.info("re-placement (%s, %s): %s", settings.goal, settings.mode, _told(made))
        for step in made.steps:
            log.info("re-placement: vm %d  from host %d to host %d", step.vm_id, step.source_id, step.target_id)
        return Progress(made.steps) if settings.mode == "apply" else None

    def _gone_on(self, progress: Progress, now: float, view: View) -> list[Step]:
        try:
            steps = progress.go_on(_seen(view, progress.watched()))
        except PlanBroken as broken:
            log.warning("re-placement ends, the next plan looks anew: %s", broken)
            self._progress = None
            return []
        if progress.is_over:
            log.info("re-placement is done, %d migrations", progress.done)
            self._progress = None
        self._moved_at.update((step.vm_id, now) for step in steps)
        return steps

    def _held(self, now: float, view: View) -> set[int]:
        """Return the VMs that moved a short time ago: by a plan, or as far as it is known by anything else."""
        hold_s = self._settings.hold_s
        self._moved_at = {vm_id: at for vm_id, at in self._moved_at.items() if at + hold_s > now}
        came = {vm.id for vm in view.placed if 0 < vm.since < vm.here_since and vm.here_since + hold_s > view.now}
        return came | self._moved_at.keys()


def _seen(view: View, vm_ids: Collection[int]) -> dict[int, Seen]:
    wanted = set(vm_ids)
    return {vm.id: Seen(vm.host_id, printable_state(vm.state, vm.lcm_state)) for vm in view.placed if vm.id in wanted}


def _told(made: Plan) -> str:
    before, after = made.before_load, made.after_load
    return (
        f"{made.cost.migrations} migrations, {made.cost.memory_gib:.1f} GiB; fullest host {before.utilisation:.0%} to "
        f"{after.utilisation:.0%}, hosts used {before.hosts_used} to {after.hosts_used}"
    )
