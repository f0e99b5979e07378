"""Displays whose password is made up."""

import pytest

from trifid.core.template.model import template
from trifid.engine.displays import random_password, with_password


def made(characters: int) -> str:
    return "x" * characters


@pytest.mark.parametrize(
    ("graphics", "password"),
    [
        ({"TYPE": "VNC", "RANDOM_PASSWD": "YES"}, "x" * 8),
        ({"RANDOM_PASSWD": "yes"}, "x" * 8),
        ({"TYPE": "spice", "RANDOM_PASSWD": "YES"}, "x" * 16),
        ({"TYPE": "SDL", "RANDOM_PASSWD": "YES"}, ""),
        ({"TYPE": "VNC", "RANDOM_PASSWD": "YES", "PASSWD": "mine"}, "mine"),
        ({"TYPE": "VNC", "RANDOM_PASSWD": "NO"}, ""),
        ({"TYPE": "VNC"}, ""),
    ],
)
def test_a_password_is_made_up_where_it_is_asked_for_and_none_is_given(graphics: dict[str, str], password: str) -> None:
    found = with_password(template({"CPU": "1"}, graphics=graphics), made)
    assert found.vector("GRAPHICS").get("PASSWD", "") == password


def test_a_template_without_a_display_stays_as_it_is() -> None:
    assert with_password(template({"CPU": "1"})) == template({"CPU": "1"})


def test_no_two_passwords_are_the_same() -> None:
    assert len({random_password(8) for _ in range(100)}) == 100
    assert {len(random_password(n)) for n in (8, 16)} == {8, 16}
