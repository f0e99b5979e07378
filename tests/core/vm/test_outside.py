"""Which directory the source of a disk must not lead out of."""

import pytest

from trifid.core.vm.outside import confined

USER_PATHS = ["https://example.org/", "/srv/pub/", "/srv/public"]


@pytest.mark.parametrize(
    ("source", "within"),
    [
        ("/srv/pub/a.img", "/srv/pub"),
        ("/srv/public/deep/a.img", "/srv/public"),
        ("/srv/publican/a.img", None),
        ("/srv/pub", None),
        ("https://example.org/a.img", None),
    ],
)
def test_what_any_user_may_name_stays_where_it_is(source: str, within: str | None) -> None:
    assert confined({"SOURCE": source}, USER_PATHS).get("WITHIN") == within


def test_an_image_of_the_catalogue_lies_where_its_datastore_does() -> None:
    disk = {"SOURCE": "/srv/pub/ds/1/abc", "IMAGE_ID": "4"}
    assert confined(disk, USER_PATHS) == disk
    assert "WITHIN" not in confined({"TYPE": "SWAP"}, USER_PATHS)
