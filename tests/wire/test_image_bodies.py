"""Images and datastores as documents: against the schemas, and with contents that try to break out of them."""

import pytest
from hypothesis import given, settings

from tests.core.template.strategies import TEMPLATES, VALUES
from tests.wire.schemas import valid
from tests.wire.test_bodies import NAMED
from trifid.core.image.datastore import Datastore, DatastoreState, DatastoreType, Space
from trifid.core.image.record import DiskType, Image, ImageState, ImageType
from trifid.core.template.model import template
from trifid.core.vm.lock import Lock
from trifid.core.vm.record import DiskSnapshot, DiskSnapshots
from trifid.wire.bodies.datastore import datastore_full
from trifid.wire.bodies.image import ImageUse, image_full
from trifid.wire.xmltext import writable

SNAPSHOTS = DiskSnapshots(
    0, next_id=4, active=3, snapshots=(DiskSnapshot(2, "a <b>", 9, 10), DiskSnapshot(3, "", 8, 10, parent=2))
)
IMAGE = Image(
    id=3,
    uid=7,
    gid=1,
    name="web",
    type=ImageType.DATABLOCK,
    datastore_id=1,
    state=ImageState.READY,
    lock=Lock(2, 7, 50, "12"),
    is_persistent=True,
    regtime=5,
    modtime=6,
    source="/datastores/1/ab",
    path="https://x/?a=1&b=<2>",
    format="raw",
    size_mib=10,
    snapshots=SNAPSHOTS,
    template=template(DESCRIPTION="a ]]> b"),
)
DATASTORE = Datastore(1, 0, 0, "default", DatastoreType.IMAGE, "fs", "shared", template=template(SAFE_DIRS="/var/tmp"))


def test_an_image_has_all_that_its_record_says() -> None:
    found = valid(image_full(IMAGE, NAMED, ImageUse("a <b>", (5, 4), (9,))), "image")
    texts = {one.tag: one.text for one in found if not len(one)}
    assert (texts["PATH"], texts["DATASTORE"], texts["STATE"]) == ("https://x/?a=1&b=<2>", "a <b>", "8")
    assert (texts["RUNNING_VMS"], texts["CLONING_OPS"], texts["PERSISTENT"]) == ("2", "1", "1")
    assert [one.text for one in found.find("VMS")] == ["4", "5"]
    assert found.findtext("TEMPLATE/DESCRIPTION") == "a ]]> b"
    assert found.findtext("LOCK/REQ_ID") == "12"
    first, second = found.findall("SNAPSHOTS/SNAPSHOT")
    assert (first.findtext("CHILDREN"), second.findtext("ACTIVE"), second.findtext("PARENT")) == ("3", "YES", "2")
    assert found.findtext("SNAPSHOTS/NEXT_SNAPSHOT") == "4"


@pytest.mark.parametrize("state", ImageState)
@pytest.mark.parametrize("kind", ImageType)
def test_images_of_every_state_and_type_are_valid(state, kind) -> None:
    image = Image(id=0, uid=0, gid=0, name="x", type=kind, datastore_id=1, state=state)
    valid(f"<IMAGE_POOL>{image_full(image, NAMED, ImageUse(progress='1 %'))}</IMAGE_POOL>", "image_pool")


@pytest.mark.parametrize("kind", [one for one in DatastoreType if one is not DatastoreType.BACKUP])
@pytest.mark.parametrize("state", DatastoreState)
@pytest.mark.parametrize("disk_type", [DiskType.FILE, DiskType.BLOCK])
def test_datastores_of_every_kind_are_valid(kind, state, disk_type) -> None:
    ds_mad = "" if kind is DatastoreType.SYSTEM else "fs"
    datastore = Datastore(0, 0, 0, "x", kind, ds_mad, "shared", state, disk_type=disk_type, base_path="/dev/vg")
    text = datastore_full(datastore, NAMED, Space(), "/dev/vg", [3, 1])
    (found,) = valid(f"<DATASTORE_POOL>{text}</DATASTORE_POOL>", "datastore_pool")
    assert [one.text for one in found.find("IMAGES")] == ["1", "3"]
    valid(text, "datastore")


@settings(max_examples=40)
@given(TEMPLATES, VALUES)
def test_nothing_that_a_user_writes_breaks_a_document(attributes, text) -> None:
    image = Image(
        id=0,
        uid=0,
        gid=0,
        name=text,
        type=ImageType.OS,
        datastore_id=1,
        source=text,
        path=text,
        format=text,
        template=attributes,
    )
    found = valid(image_full(image, NAMED, ImageUse(text, progress=text)), "image")
    if "\r" not in text:  # which parsers of XML turn into line feeds
        assert (found.findtext("PATH") or "") == writable(text)
    datastore = Datastore(0, 0, 0, text, DatastoreType.IMAGE, text, text, base_path=text, template=attributes)
    valid(datastore_full(datastore, NAMED, Space(1, 2, 3, 4), text), "datastore")
