"""The core against a model of what users may expect: random lives, short ones that shrink and long ones."""

import random
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.model.expected import ALWAYS
from tests.model.life import Life
from trifid.core.vm.states import VmState
from trifid.core.vm.table import ROWS

_REASONS_TO_GIVE_UP = sorted(ALWAYS)
_HAPPENS_TO_DOMAINS = ("dies", "pauses", "goes on")


class LifeMachine(RuleBasedStateMachine):
    """A life that hypothesis thinks of, and makes short when it goes wrong."""

    @initialize()
    def begin(self) -> None:
        self.life = Life(note)

    @rule()
    def run_at_once(self) -> None:
        self.life.run_at_once()

    @rule(choice=st.integers(0, 999), which=st.integers(0, 99), is_final=st.integers(0, 19))
    def ask(self, choice: int, which: int, is_final: int) -> None:
        self.life.ask(choice, which, is_final == 0)

    @rule(what=st.sampled_from(_REASONS_TO_GIVE_UP), is_so=st.integers(0, 19))
    def give_up(self, what: str, is_so: int) -> None:
        if is_so == 0:
            self.life.give_up(what)

    @rule(is_so=st.integers(0, 9))
    def take_back(self, is_so: int) -> None:
        if is_so == 0:
            self.life.take_back()

    @rule(how=st.sampled_from(["done", "done", "done", "done", "failed", "lied"]))
    def answer(self, how: str) -> None:
        self.life.answer(how)

    @rule()
    def look(self) -> None:
        self.life.look()

    @rule()
    def the_host_is_lost(self) -> None:
        self.life.the_host_is_lost()

    @rule(what=st.sampled_from(_HAPPENS_TO_DOMAINS))
    def the_domain(self, what: str) -> None:
        self.life.the_domain(what)

    @rule()
    def somebody_starts_the_domain(self) -> None:
        self.life.somebody_starts_the_domain()

    @invariant()
    def all_fits(self) -> None:
        self.life.check()


TestLife = LifeMachine.TestCase
TestLife.settings = settings(
    max_examples=100,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)

HAPPENINGS: tuple[tuple[int, Callable[[Life, random.Random], None]], ...] = (
    (12, lambda life, chance: life.ask(chance.randrange(1000), chance.randrange(100), chance.random() < 0.05)),
    (1, lambda life, chance: life.give_up(chance.choice(_REASONS_TO_GIVE_UP)) if chance.random() < 0.15 else None),
    (1, lambda life, chance: life.take_back() if chance.random() < 0.3 else None),
    (24, lambda life, chance: life.answer(chance.choice(("done",) * 10 + ("failed", "lied")))),
    (2, lambda life, chance: life.look()),
    (1, lambda life, chance: life.the_host_is_lost() if chance.random() < 0.2 else None),
    (1, lambda life, chance: life.the_domain(chance.choice(_HAPPENS_TO_DOMAINS)) if chance.random() < 0.2 else None),
    (1, lambda life, chance: life.somebody_starts_the_domain() if chance.random() < 0.2 else None),
)
"""What can happen in a life, and how likely."""
LIVES, HAPPENINGS_MAX = 3000, 200
UNMET = {
    *(VmState.MIGRATE_LOCATE_ONLY_SOURCE, VmState.MIGRATE_COPY_LOCATE_ONLY_SOURCE),
    VmState.MIGRATE_COPY_LOCATE_ONLY_TARGET,
    *(VmState.CLONING, VmState.CLONING_HELD, VmState.CLONING_FAILURE),
    *(VmState.BOOT_FAILURE_CONTEXT, VmState.BOOT_FAILURE_CONTEXT_LOOK),
}
"""A host that is asked here answers, images are there, and what failed to boot is not told otherwise."""


def test_long_lives_are_as_users_may_expect_and_meet_every_state() -> None:
    met: set[VmState] = set()
    for number in range(LIVES):
        met |= _long_life(random.Random(number))
    known = {state for row in ROWS for state in (row.start, row.end)}
    assert known - met == UNMET


def _long_life(chance: random.Random) -> set[VmState]:
    """Live until the end, or for long, and return the states that were met."""
    story: list[str] = []
    life, met = Life(story.append), {VmState.PENDING}
    life.run_at_once()
    weights, happenings = [weight for weight, _ in HAPPENINGS], [happens for _, happens in HAPPENINGS]
    for happens in chance.choices(happenings, weights, k=HAPPENINGS_MAX):
        try:
            happens(life, chance)
            life.check()
        except AssertionError as wrong:
            raise AssertionError("\n".join([str(wrong), *story[-12:]])) from wrong
        met.add(life.vm.state)
        if life.vm.state is VmState.DONE:
            break
    return met
