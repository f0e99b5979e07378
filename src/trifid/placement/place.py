"""Which VM goes on which host, and into which system datastore: a pure function from a view to a plan.

Every rule is asked for all hosts at once (filters), the hosts that are left are ranked (scorers); the best one takes
the VM and has less room for the next.

Source: reference/templates.md §5 and §6.
"""

import traceback
from collections.abc import Hashable, Sequence

import msgspec
import numpy as np
from msgspec.structs import replace

from trifid.core.network.auto import Choice
from trifid.core.template.rank import Rank, compile_rank
from trifid.core.template.requirements import Requirement, compile_requirement
from trifid.errors import BadTemplate
from trifid.placement import storage
from trifid.placement.columns import Booleans, Floats
from trifid.placement.expressions import Compiler
from trifid.placement.filters import Filter
from trifid.placement.meter import CHARACTER, TOO_MUCH, Meter, Shares
from trifid.placement.networks import Networks
from trifid.placement.order import FairOrder, totals_of
from trifid.placement.own import PartFailed
from trifid.placement.plan import Plan, Reasons, Taken
from trifid.placement.rules import builtin
from trifid.placement.scorers import Ranked, Scorer
from trifid.placement.storage import Storage, StorageWish
from trifid.placement.table import HostTable
from trifid.placement.view import DatastoreView, Expression, HostView, View, WaitingVm

_MASKS_MAX, _SCORES_MAX = 4000, 1000
"""Arrays that are kept for later VMs; beyond it they are made anew, which only costs time."""

_BROKE_OFF = "Planning broke off over this VM, see the scheduler's log: {}"
_NO_RANK = Expression("0", "modern", "")


class _Asked(msgspec.Struct, frozen=True, gc=False):
    """A waiting VM with what it asks of datastores.

    Attributes:
        number: of the storage wish in this plan.
    """

    vm: WaitingVm
    storage: StorageWish
    number: int
    requirement: Requirement
    rank: Rank


def place(
    view: View,
    policy: str = "striping",
    datastore_policy: str = "striping",
    *,
    network_policy: str = "striping",
    different_networks: bool = True,
    compiler: Compiler | None = None,
    filters: Sequence[Filter] = (),
    scorers: Sequence[tuple[Scorer, float]] = (),
    is_fair: bool = True,
) -> Plan:
    """Return a host and a datastore for every VM that can have them, and the reason for every other.

    VMs are served by priority, then so that every user gets a fair share (see order.py); of equally good hosts the
    one with the lowest id is taken.

    Args:
        policy: one of POLICIES, or the text of a rank.
        datastore_policy: one of storage.POLICIES, or the text of a rank.
        network_policy: one of policies.NETWORK_POLICIES, or the text of a rank.
        different_networks: the NICs of one VM that take any network get different ones.
        compiler: keeps expressions from one plan to the next.
        filters: rules beside the built-in ones.
        scorers: opinions beside the rank, each with its weight.
        is_fair: users take turns; else lower ids come first.
    """
    compiler = compiler or Compiler()
    networks = Networks(view.networks, network_policy, differ=different_networks, compiler=compiler)
    placing = Placing(view, policy, datastore_policy, compiler, filters, scorers, is_fair=is_fair, networks=networks)
    return placing.plan()


class Placing:
    """The making of one plan."""

    def __init__(
        self,
        view: View,
        policy: str,
        datastore_policy: str,
        compiler: Compiler,
        filters: Sequence[Filter] = (),
        scorers: Sequence[tuple[Scorer, float]] = (),
        *,
        is_fair: bool = True,
        networks: Networks | None = None,
    ) -> None:
        self.order = FairOrder(view.vms, view.usages, totals_of(view.hosts), is_fair=is_fair)
        self.table = HostTable(view.hosts)
        self.compiler = compiler
        self.filters = (*builtin(compiler), *filters)
        for rule in self.filters:
            rule.begin(view, self.table)
        self.noticing = [rule for rule in self.filters if type(rule).put is not Filter.put]
        self.preferring = [rule for rule in self.filters if type(rule).prefer is not Filter.prefer]
        self.ranked = Ranked(compiler, policy)
        self.scorers = scorers
        self.cluster_ids = sorted({host.cluster_id for host in view.hosts})
        self.storage = Storage(view.datastores)
        self.networks = networks or Networks(view.networks)
        self.storage_rank = Expression(
            storage.POLICIES.get(datastore_policy, datastore_policy), "modern", datastore_policy
        )
        self.masks: dict[Hashable, Booleans | None] = {}
        self.scored: dict[Hashable, Floats] = {}
        self.hopeless: set[Hashable] = set()
        self.wishes: dict[StorageWish, int] = {}
        self.fits: dict[int, bool] = {}
        self.roomless: dict[int, str] = {}
        self.said: dict[Hashable, str] = {}
        self.taken: Taken | None = None
        self.reasons = Reasons(self.reason)
        self.meter = Meter()
        self.read: set[str] = set()

    def plan(self) -> Plan:
        """Place all VMs."""
        plan = Plan(refusals=self.reasons)
        shares, before = Shares(), self.work()
        for vm in self.order:
            if shares.is_used_up(vm):
                plan.refusals[vm.id] = TOO_MUCH
                self.order.refused()
                continue
            try:
                self.serve(vm, plan)
            except PartFailed:
                raise
            except Exception as bug:
                self.broken(vm, plan, bug)
            now = self.work()
            shares.charge(vm, now - before)
            before = now
        return plan

    def broken(self, vm: WaitingVm, plan: Plan, bug: Exception) -> None:
        """Let a VM wait over which planning broke off: a bug of ours keeps nobody else waiting."""
        self.order.refused()
        plan.refusals[vm.id] = _BROKE_OFF.format(type(bug).__name__)
        _warn(plan, vm, f"planning broke off over it:\n{''.join(traceback.format_exception(bug)).rstrip()}")

    def work(self) -> int:
        """Return what expressions have taken so far, see `meter`."""
        return self.table.meter.done + self.compiler.meter.done + self.networks.work + self.meter.done

    def serve(self, vm: WaitingVm, plan: Plan) -> None:
        """Place a VM, or say why not."""
        try:
            choices = self.network_choices(vm)
            asked = self.asked(replace(vm, cluster_ids=frozenset(choices)) if choices else vm, plan)
        except BadTemplate as bad:
            plan.refusals[vm.id] = bad.message
            self.order.refused()
            return
        found = self.best(asked)
        if found is None:
            self.reasons.note(asked.vm)
            self.order.refused()
            return
        index, datastore = found
        self.table.put(index, vm)
        for rule in self.noticing:
            rule.put(vm, index)
        self.storage.put(vm.files, datastore, self.table.hosts[index])
        if choice := choices.get(self.table.hosts[index].cluster_id):
            self.networks.put(choice)
            plan.networks[vm.id] = choice
        plan.placements.append((vm.id, self.table.hosts[index].id, datastore.record.id))
        if self.taken is not None:
            plan.taken[vm.id] = self.taken

    def network_choices(self, vm: WaitingVm) -> dict[int, Choice]:
        """Return, for each cluster that has them, the networks of a VM's NICs that take any.

        Raises:
            BadTemplate: no cluster has them, or an expression is wrong; the message is the reason to be told.
        """
        if not vm.nics:
            return {}
        cluster_ids = [one for one in self.cluster_ids if vm.cluster_ids is None or one in vm.cluster_ids]
        choices = self.networks.choices(vm, cluster_ids)
        if cluster_ids and not choices:
            raise BadTemplate(self.networks.why_none(vm, cluster_ids))
        return choices

    def asked(self, vm: WaitingVm, plan: Plan) -> _Asked:
        """Compile a VM's expressions; a wrong rank is noted in the plan and counts as none.

        Raises:
            BadTemplate: a requirement is wrong; the message is the reason to be told.
        """
        try:
            self.compiler.requirement(vm.requirement)
        except BadTemplate as bad:
            raise BadTemplate(_error_text(vm.requirement, bad)) from None
        try:
            self.compiler.rank(self.ranked.expression(vm))
        except BadTemplate as bad:
            _warn(plan, vm, f"{_error_text(vm.rank, bad)}; all hosts rank 0")
            vm = replace(vm, rank=_NO_RANK)
        return self.asked_of_datastores(vm, plan)

    def asked_of_datastores(self, vm: WaitingVm, plan: Plan) -> _Asked:
        """Compile what is asked of datastores."""
        for text in {vm.datastore_requirement.text, vm.datastore_rank.text} - self.read:
            self.meter.done += CHARACTER * len(text)
            self.read.add(text)
        try:
            requirement = compile_requirement(vm.datastore_requirement.text)
        except BadTemplate as bad:
            raise BadTemplate(_error_text(vm.datastore_requirement, bad)) from None
        expression = vm.datastore_rank if vm.datastore_rank.text.strip() else self.storage_rank
        try:
            rank = compile_rank(expression.text, expression.dialect)
        except BadTemplate as bad:
            _warn(plan, vm, f"{_error_text(expression, bad)}; all datastores rank 0")
            expression, rank = _NO_RANK, compile_rank("0")
        wish = StorageWish(vm.files, vm.datastore_requirement, expression)
        return _Asked(vm, wish, self.wishes.setdefault(wish, len(self.wishes)), requirement, rank)

    # -- hosts -------------------------------------------------------------------------------------

    def best(self, asked: _Asked) -> tuple[int, DatastoreView] | None:
        """Return the index of the best host and the datastore there."""
        vm = asked.vm
        keys = tuple(rule.key(vm) for rule in self.filters)
        # Within a plan a host only gets fuller, so what found no room finds none later; unless a rule changes.
        wish = (keys, vm.devices, vm.cpu_percent, vm.memory_mib, asked.number)
        if wish in self.hopeless or not self.has_datastore(asked):
            return None
        left = self.suitable(vm, keys)
        if (chosen := self.preferred(vm, left)) is not left and (found := self.first(asked, chosen)):
            return found
        if found := self.first(asked, left):
            return found
        self.look_for_room(asked)
        if all(key is not None or rule.name in _ONLY_FALLING for key, rule in zip(keys, self.filters, strict=True)):
            self.hopeless.add(wish)
        return None

    def preferred(self, vm: WaitingVm, left: Booleans | None) -> Booleans | None:
        """Return the hosts of those left that filters would rather have; the very same when none would."""
        for rule in self.preferring:
            among = np.ones(len(self.table.hosts), np.bool_) if left is None else left
            better = rule.prefer(vm, self.table, among)
            if better is not None and better.any():
                left = better
        return left

    def first(self, asked: _Asked, left: Booleans | None) -> tuple[int, DatastoreView] | None:
        """Return the best of some hosts that has a datastore, and that."""
        vm = asked.vm
        scores = np.where(left, self.scores(vm), -np.inf) if left is not None else self.scores(vm).copy()
        fitting = len(scores) if left is None else int(np.count_nonzero(left))
        while fitting:
            index = int(scores.argmax())
            host = self.table.hosts[index]
            if datastore := self.storage.choice(asked.storage, asked.requirement, asked.rank, host):
                self.taken = self.why(vm, scores, index, fitting)
                return index, datastore
            scores[index] = -np.inf
            fitting -= 1
            if self.storage.is_full(asked.storage, asked.requirement, self.cluster_ids):
                break
        return None

    def why(self, vm: WaitingVm, scores: Floats, index: int, fitting: int) -> Taken:
        """Return why a host is taken; its score is struck out."""
        value = float(scores[index])
        scores[index] = -np.inf
        after = int(scores.argmax())
        runner_up = (self.table.hosts[after].id, float(scores[after])) if fitting > 1 else None
        return Taken(self.ranked.expression(vm), value, fitting, runner_up)

    def suitable(self, vm: WaitingVm, keys: Sequence[Hashable | None]) -> Booleans | None:
        """Return the hosts that pass every filter; None = all."""
        left = self.unchanging(vm, keys)
        is_own = False
        for rule, key in zip(self.filters, keys, strict=True):
            if key is not None or (mask := rule.mask(vm, self.table)) is None:
                continue
            if left is None:
                left = mask
            elif is_own:
                left &= mask
            else:
                left = left & mask
            is_own = True
        return left

    def unchanging(self, vm: WaitingVm, keys: Sequence[Hashable | None]) -> Booleans | None:
        """Return the hosts that pass the filters that no placement changes."""
        left = None
        for number, key in enumerate(keys):
            if key is None:
                continue
            known = (number, key)
            if known not in self.masks:
                if len(self.masks) >= _MASKS_MAX:
                    self.masks.clear()
                self.masks[known] = self.filters[number].mask(vm, self.table)
            mask = self.masks[known]
            if mask is not None:
                left = mask if left is None else left & mask
        return left

    def scores(self, vm: WaitingVm) -> Floats:
        """Return how good each host is."""
        total = self.opinion(self.ranked, vm)
        for scorer, weight in self.scorers:
            total = total + weight * self.opinion(scorer, vm)
        return total

    def opinion(self, scorer: Scorer, vm: WaitingVm) -> Floats:
        """Return what one scorer says of each host; the same array for VMs alike."""
        key = scorer.key(vm)
        if key is None:
            return scorer.scores(vm, self.table)
        found = self.scored.get((scorer.name, key))
        if found is None:
            if len(self.scored) >= _SCORES_MAX:
                self.scored.clear()
            found = self.scored[scorer.name, key] = scorer.scores(vm, self.table)
        return found

    # -- datastores --------------------------------------------------------------------------------

    def has_datastore(self, asked: _Asked) -> bool:
        """Tell whether a datastore fits, and none is known to be without room, so that hosts need be looked at."""
        number, wish, requirement = asked.number, asked.storage, asked.requirement
        if number in self.roomless:
            return False
        if number not in self.fits:
            self.fits[number] = any(self.storage.fitting(wish, requirement, one) for one in self.cluster_ids)
            if not self.fits[number]:
                self.roomless[number] = self.storage.why_none_fits(wish, requirement, self.table.hosts)
        return self.fits[number]

    def look_for_room(self, asked: _Asked) -> None:
        """Take down that no datastore has room for what a VM asks, when that is so."""
        if self.table.hosts and self.storage.is_full(asked.storage, asked.requirement, self.cluster_ids):
            why = self.storage.why_no_room(asked.storage, asked.requirement, self.table.hosts)
            self.roomless[asked.number] = why

    # -- reasons -----------------------------------------------------------------------------------

    def reason(self, vm: WaitingVm) -> str:
        """Return why no host takes a VM, as things are now."""
        try:
            return self.told(vm)
        except PartFailed:
            raise
        except Exception as bug:
            return _BROKE_OFF.format(type(bug).__name__)

    def told(self, vm: WaitingVm) -> str:
        """Return why no host takes a VM; the same for VMs alike."""
        asked = self.asked_of_datastores(vm, Plan())
        if self.table.hosts and asked.number in self.roomless:
            return self.roomless[asked.number]
        keys = tuple(rule.key(vm) for rule in self.filters)
        key = (keys, vm.devices, vm.cpu_percent, vm.memory_mib, asked.number, vm.requirement)
        if None in keys[: -len(_ONLY_FALLING)] or key not in self.said:
            self.said[key] = self.cause(asked)
        return self.said[key]

    def cause(self, asked: _Asked) -> str:
        """Return why no host takes a VM; each host is counted once, for the first rule it breaks.

        Where a host would do, were it not for the VM's files, the datastores are what is told of.
        """
        vm, hosts = asked.vm, self.table.hosts
        begin = f"No host meets {vm.requirement.attribute}"
        if not hosts:
            return f'{begin}: there is no host, add one with "onehost create"'
        left = np.ones(len(hosts), np.bool_)
        parts: dict[str, str] = {}
        for rule in self.filters:
            mask = rule.mask(vm, self.table)
            if mask is None or not (out := np.flatnonzero(left & ~mask)).size:
                continue
            parts[rule.name] = rule.why(vm, self.table, [hosts[index] for index in out])
            left &= mask
        if left.any():
            return self.no_storage_on(asked, [hosts[index] for index in np.flatnonzero(left)])
        # What is told first is what comes nearest to a host that would do.
        told = [parts[name] for name in ("memory", "cpu") if name in parts]
        told += [text for name, text in reversed(parts.items()) if name not in ("memory", "cpu")]
        return f"{begin}: {len(hosts)} host{'s' if len(hosts) != 1 else ''}, {', '.join(told)}"

    def no_storage_on(self, asked: _Asked, hosts: Sequence[HostView]) -> str:
        """Return why hosts that would take a VM have no datastore for its files."""
        wish, requirement = asked.storage, asked.requirement
        if any(self.storage.fitting(wish, requirement, cluster_id) for cluster_id in {one.cluster_id for one in hosts}):
            return self.storage.why_no_room(wish, requirement, hosts)
        return self.storage.why_none_fits(wish, requirement, hosts)


_ONLY_FALLING = ("devices", "memory", "cpu")
"""Filters that a placement makes stricter, never laxer."""


def _warn(plan: Plan, vm: WaitingVm, warning: str) -> None:
    plan.warnings[vm.id] = "; ".join(filter(None, (plan.warnings.get(vm.id), warning)))


def _error_text(expression: Expression, bad: BadTemplate) -> str:
    return f"Error in {expression.attribute}: '{expression.text}', error: {bad.message}"
