"""Rules, opinions and planners that are written elsewhere and found by name."""

import numpy as np
import pytest
from msgspec.structs import replace

from trifid.placement.filters import Filter
from trifid.placement.own import PartFailed
from trifid.placement.plan import Plan
from trifid.placement.policy import planner_of
from trifid.placement.scorers import Scorer
from trifid.placement.settings import BadSettings, Settings
from trifid.placement.synthetic import synthetic
from trifid.placement.table import HostTable
from trifid.placement.view import Usage
from trifid.scheduler.decider import Decider
from trifid.scheduler.parts import parts_of
from trifid.scheduler.recorder import recorded


class OddHosts(Filter):
    name = "odd-hosts"

    def key(self, vm):
        return 0

    def mask(self, vm, table: HostTable):
        return table.cluster_id * 0 + [host.id % 2 == 1 for host in table.hosts] > 0

    def why(self, vm, table, hosts):
        return f"{len(hosts)} are even"


class LastHosts(Scorer):
    name = "last-hosts"

    def key(self, vm):
        return 0

    def scores(self, vm, table: HostTable):
        return table.cluster_id * 0.0 + [float(host.id) for host in table.hosts]


class Nowhere:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def __call__(self, view):
        return Plan([], {vm.id: f"not with {self.settings.policy}" for vm in view.vms})


class Breaks(OddHosts):
    name = "breaks"

    def mask(self, vm, table):
        return {}["nothing"]


class Short(OddHosts):
    name = "short"

    def mask(self, vm, table):
        return np.array([True])


class Figures(OddHosts):
    name = "figures"

    def mask(self, vm, table):
        return table.numbers("RUNNING_VMS")


class Unhashable(OddHosts):
    name = "unhashable"

    def key(self, vm):
        return []


class Nameless(OddHosts):
    name = ""


class Memory(OddHosts):
    name = "memory"


class Endless(LastHosts):
    name = "endless"

    def scores(self, vm, table):
        return np.full(len(table.hosts), np.inf)


class Silent(Nowhere):
    def __call__(self, view):
        return None


VIEW = synthetic(0, 8, 3)
HERE = __name__


def planned(**settings) -> Plan:
    named = Settings(**settings)
    return planner_of(named, parts_of(named))(VIEW)


def hosts(plan: Plan) -> set[int]:
    return {host_id for _, host_id, _ in plan.placements}


def test_a_filter_leaves_hosts_out_and_says_why():
    assert hosts(planned(filters=(f"{HERE}:OddHosts",))) <= {1, 3, 5, 7}
    assert hosts(planned()) - {1, 3, 5, 7}
    nothing = Settings(filters=(f"{HERE}:OddHosts",))
    refused = planner_of(nothing, parts_of(nothing))(synthetic(0, 1, 1))
    assert "1 are even" in "".join(refused.refusals.values())


def test_a_scorer_counts_by_its_weight():
    assert hosts(planned(scorers={f"{HERE}:LastHosts": 1000.0})) == {7}
    assert hosts(planned(scorers={f"{HERE}:LastHosts": 0.0001})) != {7}


def test_a_planner_decides_instead_and_knows_the_settings():
    plan = planned(planner=f"{HERE}:Nowhere", policy="packing")
    assert plan.refusals == {vm.id: "not with packing" for vm in VIEW.vms}


def test_a_custom_rank_decides_where_a_vm_has_none():
    assert hosts(planned(policy="custom", rank="ID")) == {7}


def owners(plan: Plan, view) -> list[int]:
    uids = {vm.id: vm.uid for vm in view.vms}
    return [uids[vm_id] for vm_id, *_ in plan.placements]


def test_users_take_turns_by_their_weights_unless_it_is_set_otherwise():
    first = VIEW.vms[0]
    vms = tuple(replace(first, id=n, uid=5 if n < 4 else 6, cpu_percent=1, memory_mib=1) for n in range(8))
    view = replace(VIEW, vms=vms, usages=(Usage(5, weight=1.0), Usage(6, weight=3.0)))
    fair, equal, by_id = (
        owners(planner_of(Settings(**settings))(view), view) for settings in ({}, {"weights": "equal"}, {"order": "id"})
    )
    assert by_id == [5] * 4 + [6] * 4
    assert equal == [5, 6] * 4
    assert fair[:5].count(6) > 2


def test_an_installed_part_is_found_by_the_name_of_its_entry_point(tmp_path, monkeypatch):
    about = tmp_path / "mine-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1\n")
    (about / "entry_points.txt").write_text(f"[trifid.filters]\nodd = {HERE}:OddHosts\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert hosts(planned(filters=("odd",))) <= {1, 3, 5, 7}
    with pytest.raises(BadSettings, match=r'there is no filter "od" \(did you mean "odd"\?\): installed .*: odd'):
        parts_of(Settings(filters=("od",)))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"filters": ("cool",)}, 'there is no filter "cool": installed .* none'),
        ({"scorers": {"no.such.module:Thing": 1.0}}, "cannot be loaded: No module named 'no'"),
        ({"filters": (f"{HERE}:Missing",)}, "cannot be loaded: .*Missing"),
        ({"filters": (f"{HERE}:LastHosts",)}, r"is no subclass of trifid\.placement\.filters\.Filter"),
        ({"planner": "x"}, 'there is no planner "x"'),
        ({"filters": (f"{HERE}:Nameless",)}, 'filter ".*:Nameless" has no name'),
        ({"filters": (f"{HERE}:Memory",)}, 'has the name "memory", which another one has'),
        ({"filters": (f"{HERE}:OddHosts", f"{HERE}:OddHosts")}, 'has the name "odd-hosts"'),
    ],
)
def test_what_cannot_be_used_is_told(settings, said):
    with pytest.raises(BadSettings, match=said):
        parts_of(Settings(**settings))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"filters": (f"{HERE}:Breaks",)},
            r'filter ".*:Breaks" failed on VM \d+: KeyError: .nothing. \(.*py, line',
        ),
        (
            {"filters": (f"{HERE}:Short",)},
            r"mask of VM \d+ is an array of bool, shape \(1,\): .* 8 truth values",
        ),
        ({"filters": (f"{HERE}:Figures",)}, "is an array of float64, shape .* array of 8 truth values"),
        ({"filters": (f"{HERE}:Unhashable",)}, "failed on VM .* unhashable type"),
        ({"scorers": {f"{HERE}:Endless": 1.0}}, 'scorer ".*:Endless": scores of VM .* are not all finite'),
        ({"planner": f"{HERE}:Silent"}, 'planner ".*:Silent" answered NoneType: expected a trifid.placement.plan.Plan'),
    ],
)
def test_a_part_that_breaks_off_or_answers_nonsense_is_told_by_its_name(settings, said):
    with pytest.raises(PartFailed, match=said):
        planned(**settings)


def test_the_settings_decide_who_decides_and_where_decisions_are_kept(tmp_path):
    settings = Settings(policy="packing")
    decider = Decider(settings, parts_of(settings), tmp_path)
    assert decider.by == "policy packing"
    decider.decided(VIEW, decider.planner(VIEW))
    decider.wait()
    assert len(recorded(tmp_path / "decisions")) == 1
