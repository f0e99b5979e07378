"""What a network driver answers."""

import pytest

from trifid.errors import DriverFault
from trifid.wire.host_networks import parse_answer, render_answer


@pytest.mark.parametrize("troubles", [{}, {7: "there is no interface eth9"}, {0: "ä ö", 12: "a\nb c"}])
def test_an_answer_is_one_line_and_read_as_it_was_written(troubles: dict[int, str]) -> None:
    text = render_answer(5, troubles)
    assert "\n" not in text
    assert parse_answer(text) == ("5", troubles)


@pytest.mark.parametrize("text", ["5 !", "5 bm9uZQ==", "5 W10=", "5 eyJhIjoieCJ9", "5 eyIxIjoyfQ=="])
def test_troubles_that_cannot_be_read_are_the_drivers_fault(text: str) -> None:
    with pytest.raises(DriverFault, match="what is said of networks that could not be made cannot be read"):
        parse_answer(text)
