"""Options of the dummies, and dice that fall the same way for the same seed."""

import pytest

from trifid.drivers.dummy.faults import GARBAGE, BadOptions, Chance, Dice, Options, parse_options


def test_without_options_nothing_goes_wrong() -> None:
    assert parse_options("") == Options()
    dice = Dice(Options())
    assert (dice.failure("DEPLOY"), dice.is_lost("DEPLOY"), dice.death("DEPLOY"), dice.garbage()) == (
        "",
        False,
        "",
        b"",
    )


def test_options_come_in_one_string() -> None:
    options = parse_options(
        "--delay 0.5 --fail DEPLOY=0.25:'no bridge br0: make it' --fail poll=1 --lose *=0.1 --die SAVE=1"
        " --garbage 0.2 --seed 9 --cpu 800 --memory 1024"
    )
    assert options == Options(
        delay_s=0.5,
        fail={"DEPLOY": Chance(0.25, "no bridge br0: make it"), "POLL": Chance(1.0)},
        lose={"*": Chance(0.1)},
        die={"SAVE": Chance(1.0)},
        garbage=0.2,
        seed=9,
        cpu_percent=800,
        memory_kib=1024,
    )


@pytest.mark.parametrize(
    "text",
    ["--nonsense", "word", "--delay x", "--delay -1", "--fail DEPLOY", "--fail =1", "--fail DEPLOY=2", "--lose A=x",
     "--garbage 7", "--seed x", "--fail 'unclosed"],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(BadOptions):
        parse_options(text)


def test_what_is_certain_happens() -> None:
    dice = Dice(parse_options("--fail DEPLOY=1:no --fail *=1 --lose DEPLOY=1 --die DEPLOY=1 --garbage 1"))
    assert dice.failure("DEPLOY") == "no"
    assert dice.failure("SAVE") == "SAVE fails because it was told to"
    assert dice.is_lost("DEPLOY")
    assert not dice.is_lost("SAVE")
    assert {dice.death("DEPLOY") for _ in range(100)} == {"before", "after"}
    assert dice.garbage() == GARBAGE


def test_without_a_seed_the_sorrows_are_others_each_time() -> None:
    def rolls() -> list[bool]:
        dice = Dice(parse_options("--fail A=0.5"))
        return [bool(dice.failure("A")) for _ in range(64)]

    assert rolls() != rolls()


def test_the_same_seed_gives_the_same_sorrows_about_as_often_as_asked() -> None:
    rolls = [[Dice(parse_options(f"--seed {seed} --fail A=0.3")).failure("A") for _ in range(1)] for seed in range(500)]
    assert rolls == [[Dice(parse_options(f"--seed {s} --fail A=0.3")).failure("A")] for s in range(500)]
    assert 100 < sum(bool(roll[0]) for roll in rolls) < 200
