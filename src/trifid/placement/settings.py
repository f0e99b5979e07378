"""How the scheduler decides: everything that can be set, with its defaults.

Declared once; the manual (docs/scheduler.md) explains every key.  Where the settings are kept is of no interest here.
"""

import difflib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import msgspec

from trifid.core.template.rank import compile_rank
from trifid.errors import BadTemplate
from trifid.placement import storage
from trifid.placement.policies import NETWORK_POLICIES, POLICIES

CUSTOM = "custom"
"""The policy whose rank is given as text."""

Kind = TypeVar("Kind")
Positive = Annotated[int, msgspec.Meta(ge=1)]
NotNegative = Annotated[int, msgspec.Meta(ge=0)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]


class BadSettings(Exception):
    """The settings cannot be used; the text names the key, what is wrong, and what would be right."""


class Executable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A program that decides instead of the policy.

    Attributes:
        command: the program and its arguments; none = the scheduler decides itself.
        timeout_s: a program that has not answered by then is ended.
        answer_bytes_max: a longer answer is refused.
        when_it_fails: decide by the policy, or let VMs wait for the next cycle.
    """

    command: tuple[str, ...] = ()
    timeout_s: Seconds = 10.0
    answer_bytes_max: Positive = 16 << 20
    when_it_fails: Literal["policy", "wait"] = "policy"


class Recording(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which decisions are kept, to be planned again.

    Attributes:
        directory: relative to the home, or absolute.
        files_max: of decisions kept; 0 = none is written.
        bytes_max: what they may take together.
    """

    directory: str = "decisions"
    files_max: NotNegative = 200
    bytes_max: NotNegative = 64 << 20


class Replacement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Moving what runs already.

    Attributes:
        mode: whether planned moves are left out, only told in the log, or done.
        interval_s: from one plan to the next.
        gain_min: a plan that improves its goal by less is left alone; 0.05 = five hundredths.
        hold_s: a VM that moved is left alone for so long.
        migrations_max: at the same time.
    """

    mode: Literal["off", "show", "apply"] = "off"
    goal: Literal["balance", "consolidate"] = "balance"
    interval_s: Seconds = 600.0
    gain_min: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.05
    hold_s: Annotated[float, msgspec.Meta(ge=0)] = 1800.0
    migrations_max: Positive = 2


class Leases(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Leases in time (the attribute HAIZEA).

    Attributes:
        suspend_lead_s: how long before a reservation begins the VMs in its way are suspended, beside what saving
            their memory takes.
        save_mib_per_s: how fast the memory of VMs is written, those of one host one after the other.
        run_s_min: a lease that may be suspended is not started, or resumed, for less.
        overtime_s: a lease that is over and does not shut down is cut off so long after it was asked.
        late_s: a lease that is first seen more than a minute after its end is left alone for so long.
    """

    suspend_lead_s: NotNegative = 10
    save_mib_per_s: Positive = 100
    run_s_min: NotNegative = 60
    overtime_s: NotNegative = 120
    late_s: NotNegative = 300


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The table [scheduler].

    Attributes:
        enabled: whether the engine starts a scheduler.
        interval_s: longest time between two looks.
        policy, datastore_policy, network_policy: how hosts, system datastores and networks are ranked for VMs
            that do not say.
        rank, datastore_rank, network_rank: the expression of the policy "custom".
        different_networks: the NICs of one VM whose networks are chosen get different ones.
        filters: rules of one's own, asked beside the built-in ones: names of entry points, or MODULE:CLASS.
        scorers: opinions of one's own, added to the rank, each with its weight.
        planner: what decides instead of the built-in matchmaker.
        binder: what carries decisions out instead of the built-in one.
        order: whether users take turns by their weights, or VMs are served by id.
        weights: where the weights of users come from: their SCHED_WEIGHT, or all are equal.
        max_vm: VMs considered in one cycle.
        max_dispatch: VMs placed in one cycle.
        max_host: VMs placed on one host in one cycle; of all three 0 = no limit.
        live_reschedules: whether a running VM that is to be rescheduled moves live.
    """

    enabled: bool = True
    interval_s: Annotated[int, msgspec.Meta(ge=1)] = 30
    policy: str = "striping"
    rank: str = ""
    datastore_policy: str = "striping"
    datastore_rank: str = ""
    network_policy: str = "striping"
    network_rank: str = ""
    different_networks: bool = True
    filters: tuple[str, ...] = ()
    scorers: dict[str, float] = {}
    planner: str = ""
    binder: str = ""
    order: Literal["fair", "id"] = "fair"
    weights: Literal["users", "equal"] = "users"
    max_vm: NotNegative = 0
    max_dispatch: NotNegative = 0
    max_host: NotNegative = 0
    live_reschedules: bool = True
    executable: Executable = Executable()
    recording: Recording = Recording()
    replacement: Replacement = Replacement()
    leases: Leases = Leases()

    @property
    def host_policy(self) -> str:
        """The policy of hosts as the matchmaker takes it: a name, or the text of a rank."""
        return self.rank if self.policy == CUSTOM else self.policy

    @property
    def storage_policy(self) -> str:
        """The same for system datastores."""
        return self.datastore_rank if self.datastore_policy == CUSTOM else self.datastore_policy

    @property
    def address_policy(self) -> str:
        """The same for networks."""
        return self.network_rank if self.network_policy == CUSTOM else self.network_policy

    @property
    def not_asked(self) -> tuple[str, ...]:
        """What decides as well, but is loaded by the scheduler only: explanations and trials do not know it."""
        own = {
            "filters": self.filters,
            "scorers": self.scorers,
            "a planner": self.planner,
            "a program": self.executable.command,
        }
        return tuple(kind for kind, named in own.items() if named)


def settings_from(table: Mapping[str, Any], where: str = "[scheduler]") -> Settings:
    """Return the settings that a table of a configuration file holds.

    Args:
        where: how messages call the table, with its file.

    Raises:
        BadSettings: an unknown key, a value of the wrong type, or one that means nothing.
    """
    _check_keys(table, Settings, where)
    settings = _converted(table, Settings, where)
    _check_policy(settings, "policy", POLICIES, where)
    _check_policy(settings, "datastore_policy", storage.POLICIES, where)
    _check_policy(settings, "network_policy", NETWORK_POLICIES, where)
    for name, weight in settings.scorers.items():
        if not 0 < weight < float("inf"):
            raise BadSettings(f"{where} scorers: {name} has the weight {weight:g}: expected a number above 0")
    return settings


def _converted(table: Mapping[str, Any], kind: type[Kind], where: str) -> Kind:
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as bad:
        raise BadSettings(_said(str(bad), where)) from None


def _check_policy(settings: Settings, key: str, policies: Iterable[str], where: str) -> None:
    policy = getattr(settings, key)
    rank_key = f"{key.removesuffix('policy')}rank"
    rank = getattr(settings, rank_key)
    known = [*policies, CUSTOM]
    if policy not in known:
        raise BadSettings(f'{where} {key}: there is no policy "{policy}"{nearest(policy, known)}: {_one_of(known)}')
    if policy == CUSTOM and not rank.strip():
        raise BadSettings(f'{where} {key} is "{CUSTOM}", but {rank_key} is missing: expected an expression')
    if policy == CUSTOM:
        try:
            compile_rank(rank)
        except BadTemplate as bad:
            raise BadSettings(f"{where} {rank_key}: {bad.message}") from None
    elif rank.strip():
        raise BadSettings(f'{where} {rank_key} is only used when {key} = "{CUSTOM}", and it is "{policy}"')


def _check_keys(table: Mapping[str, Any], kind: type[msgspec.Struct], where: str) -> None:
    fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for key, value in table.items():
        if key not in fields:
            raise BadSettings(f'{where} has no key "{key}"{nearest(key, list(fields))}: {_one_of(sorted(fields))}')
        inner = fields[key]
        if get_origin(inner) is Literal and value not in get_args(inner):
            raise BadSettings(f'{where} {key}: "{value}" is not known: {_one_of(list(get_args(inner)))}')
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            inside = f"{where[:-1]}.{key}]" if where.endswith("]") else f"{where} {key}"
            if not isinstance(value, Mapping):
                raise BadSettings(f"{where} {key}: expected a table {inside.rpartition(' ')[2]}")
            _check_keys(value, inner, inside)
            _converted(value, inner, inside)


def nearest(word: str, known: list[str]) -> str:
    """Return the known word that may have been meant, as a part of a message; empty when none is near."""
    near = difflib.get_close_matches(word, known, 1)
    return f' (did you mean "{near[0]}"?)' if near else ""


def _one_of(known: list[str]) -> str:
    return f"expected one of {', '.join(known)}"


_WORDS = {
    "`array`": "a list",
    "`object`": "a table",
    "`str`": "a text",
    "`int`": "a whole number",
    "`bool`": "true or false",
}
_WORDS["`float`"] = "a number"


def _said(complaint: str, where: str) -> str:
    """Return msgspec's complaint in our words, with the key."""
    text, _, path = complaint.partition(" - at `")
    for word, ours in _WORDS.items():
        text = text.replace(word, ours)
    key = path.rstrip("`").removeprefix("$.").replace("[...]", "")
    return f"{where} {key}: {text[:1].lower()}{text[1:]}" if key else f"{where}: {text}"
