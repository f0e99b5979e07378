"""Who tries too often: how long it waits, what of it touches others, and what is forgotten when."""

import pytest

from trifid.engine.authentication.throttle import (
    FORGIVEN_EVERY_S,
    LATE_S_MAX,
    TRIES_OF_ADDRESS,
    TRIES_OF_BOTH,
    TRIES_OF_USER,
    WAIT_S_MAX,
    Throttle,
    address_of,
)

HERE, THERE = "10.0.0.9", "10.0.0.10"


def wrong(throttle: Throttle, name: str, address: str, times: int, now_s: float = 0.0) -> None:
    for _ in range(times):
        throttle.begin(name, address)
        throttle.wrong(name, address, now_s)


def right(throttle: Throttle, name: str, address: str) -> None:
    throttle.begin(name, address)
    throttle.right(name, address)


def test_a_few_wrong_tries_are_free_and_then_each_doubles_the_wait():
    throttle = Throttle()
    waits = []
    for _ in range(TRIES_OF_BOTH + 8):
        waits.append(throttle.wait_s("alice", HERE, 0.0))
        wrong(throttle, "alice", HERE, 1)
    assert waits == [0.0] * TRIES_OF_BOTH + [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, WAIT_S_MAX, WAIT_S_MAX]


def test_the_wait_is_over_when_its_time_is():
    throttle = Throttle()
    wrong(throttle, "alice", HERE, TRIES_OF_BOTH + 2)
    assert throttle.wait_s("alice", HERE, 3.5) == 0.5
    assert throttle.wait_s("alice", HERE, 4.0) == 0.0


def test_a_try_is_forgotten_after_a_while():
    throttle = Throttle()
    wrong(throttle, "alice", HERE, TRIES_OF_BOTH)
    now_s = FORGIVEN_EVERY_S + 1
    assert throttle.wait_s("alice", HERE, now_s) == 0.0
    wrong(throttle, "alice", HERE, 1, now_s)
    assert throttle.wait_s("alice", HERE, now_s) == 1.0, "one was forgotten, and one came"


def test_nobody_is_kept_out_by_wrong_tries_from_elsewhere():
    throttle = Throttle()
    for number in range(1000):
        wrong(throttle, "alice", f"10.1.{number // 250}.{number % 250}", TRIES_OF_BOTH + 20)
    assert throttle.wait_s("alice", HERE, 0.0) == 0.0
    assert throttle.late_s("alice", HERE, 0.0) == LATE_S_MAX, "but its answer is late"


def test_a_user_that_has_come_in_from_an_address_before_is_not_even_late_there():
    throttle = Throttle()
    right(throttle, "alice", HERE)
    wrong(throttle, "alice", THERE, TRIES_OF_USER)
    assert throttle.late_s("alice", HERE, 0.0) == 0.0
    assert throttle.late_s("alice", THERE, 0.0) > 0.0


def test_who_tries_many_users_from_one_address_waits_and_who_came_in_from_there_does_not():
    throttle = Throttle()
    right(throttle, "alice", HERE)
    for number in range(TRIES_OF_ADDRESS):
        assert throttle.wait_s(f"user{number}", HERE, 0.0) == 0.0
        wrong(throttle, f"user{number}", HERE, 1)
    assert throttle.wait_s("another", HERE, 0.0) == 1.0
    assert throttle.wait_s("alice", HERE, 0.0) == 0.0
    assert throttle.wait_s("another", THERE, 0.0) == 0.0


def test_a_right_try_forgets_the_wrong_ones_of_that_user_there_and_no_others():
    throttle = Throttle()
    for number in range(TRIES_OF_ADDRESS - 1):
        wrong(throttle, f"user{number}", HERE, 1)
    wrong(throttle, "alice", HERE, 1)
    right(throttle, "bob", HERE)
    assert throttle.wait_s("another", HERE, 0.0) == 1.0, "whoever has an account cannot guess on by logging in"


def test_a_try_that_nobody_could_check_does_not_count():
    throttle = Throttle()
    for _ in range(100):
        throttle.begin("alice", HERE)
        throttle.neither("alice", HERE)
    assert throttle.wait_s("alice", HERE, 0.0) == 0.0
    assert throttle.late_s("alice", HERE, 0.0) == 0.0


def test_tries_that_are_under_way_let_no_more_begin_than_may_be_wrong():
    throttle = Throttle()
    wrong(throttle, "alice", HERE, 2)
    for _ in range(TRIES_OF_BOTH - 2):
        assert not throttle.is_busy("alice", HERE, 0.0)
        throttle.begin("alice", HERE)
    assert throttle.is_busy("alice", HERE, 0.0)
    assert not throttle.is_busy("alice", THERE, 0.0) and not throttle.is_busy("bob", HERE, 0.0)
    throttle.neither("alice", HERE)
    assert not throttle.is_busy("alice", HERE, 0.0)


def test_after_its_wait_one_try_at_a_time_may_begin():
    throttle = Throttle()
    wrong(throttle, "alice", HERE, TRIES_OF_BOTH)
    assert not throttle.is_busy("alice", HERE, 2.0)
    throttle.begin("alice", HERE)
    assert throttle.is_busy("alice", HERE, 2.0)


def test_tries_of_an_address_that_are_under_way_do_not_hold_up_who_came_in_from_there():
    throttle = Throttle()
    right(throttle, "alice", HERE)
    for number in range(TRIES_OF_ADDRESS):
        throttle.begin(f"user{number}", HERE)
    assert throttle.is_busy("another", HERE, 0.0)
    assert not throttle.is_busy("alice", HERE, 0.0)


def test_what_is_remembered_is_bounded():
    throttle = Throttle(kept_max=10)
    for number in range(1000):
        wrong(throttle, f"user{number}", f"10.0.{number // 250}.{number % 250}", 1)
        right(throttle, f"friend{number}", HERE)
    tables = (throttle._of_both, throttle._of_address, throttle._of_user, throttle._welcome)
    assert max(map(len, tables)) <= 10
    assert not throttle._under_way


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("10.0.0.9:1234", "10.0.0.9"),
        ("::1:1234", "::/64"),
        ("2001:db8:1:2:3:4:5:6:1234", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::5]:1234", "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.9:1234", "10.0.0.9"),
        ("unknown", "unknown"),
        ("", ""),
    ],
)
def test_an_address_is_that_of_a_machine_or_of_a_site(peer, address):
    assert address_of(peer) == address
