"""What datastore drivers are told arrives as it was meant."""

import base64

import pytest

from trifid.errors import DriverFault
from trifid.wire.image_action import ImageActionData, parse, render


def test_what_is_rendered_is_read_again_without_the_documents() -> None:
    data = ImageActionData(step=7, image_id=3, source="/d/1/a", path="/x & <y>", size_mib=12, checksum="md5:00")
    assert parse(render(data)) == data


def test_the_documents_are_in_it_for_other_drivers() -> None:
    text = base64.b64decode(render(ImageActionData(image="<IMAGE><ID>3</ID></IMAGE>"))).decode()
    assert "<IMAGE><ID>3</ID></IMAGE>" in text


@pytest.mark.parametrize("payload", ["%%%", "AAAA", base64.b64encode(b"<A/>").decode()])
def test_what_is_no_request_is_refused(payload: str) -> None:
    with pytest.raises(DriverFault):
        parse(payload)
