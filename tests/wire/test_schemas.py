"""The check of answers: it lets through what follows its schema, and nothing else."""

import pytest

from tests.wire.schemas import valid_answer

ZONE = "<ZONE><ID>0</ID><NAME>x</NAME><STATE>0</STATE><TEMPLATE><ENDPOINT>e</ENDPOINT></TEMPLATE>{}</ZONE>"


@pytest.mark.parametrize("answer", [5, "7.4.0", " ", '{"last": 3}', ZONE.format("<SERVER_POOL/>"), "<VDC_POOL/>"])
def test_what_is_as_it_should_be_passes(answer) -> None:
    valid_answer("one.zone.info", answer)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (ZONE.format(""), "SERVER_POOL"),
        (ZONE.format("<SERVER_POOL/>").replace("<ID>0</ID><NAME>x</NAME>", "<NAME>x</NAME><ID>0</ID>"), "ID"),
        (ZONE.format("<SERVER_POOL/>").replace(">0<", "><"), "integer"),
        (f"<?xml version='1.0'?>{ZONE.format('<SERVER_POOL/>')}", "begins with"),
        ("<SOMETHING></SOMETHING>", "has no schema"),
    ],
)
def test_what_is_not_is_an_error_that_says_why(answer, said) -> None:
    with pytest.raises(AssertionError, match=said):
        valid_answer("one.zone.info", answer)
