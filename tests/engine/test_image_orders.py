"""What a datastore driver is told, out of records and configuration alone."""

from msgspec.structs import replace

from trifid.core.image.datastore import Datastore, DatastoreType
from trifid.core.image.life import begin
from trifid.core.image.record import Image, ImageState, ImageType
from trifid.core.template.model import template
from trifid.engine.config import EngineSettings
from trifid.engine.image_orders import action_data
from trifid.wire.image_action import parse, render

DATASTORE = Datastore(1, 0, 0, "default", DatastoreType.IMAGE, "fs", "shared", template=template(LIMIT_MB="500"))
BASE = "/datastores/1"
IMAGE = Image(
    id=3,
    uid=7,
    gid=1,
    name="x",
    type=ImageType.OS,
    datastore_id=1,
    state=ImageState.READY,
    step=4,
    path="/var/tmp/a",
    source=f"{BASE}/00",
    size_mib=10,
    template=template(MD5="AA", SHA256="BB"),
)
SETTINGS = EngineSettings(user_paths=["/srv/pub", "https://x/"], download_from=["10.0.0.0/8", "fd00::/8"])


def told(image=IMAGE, verb="CP", datastore=DATASTORE, **more):
    """Return what the driver is told, over the wire and back."""
    given = {"cloned": None, "base_path": BASE, "settings": SETTINGS, "uploads": "/home/uploads", **more}
    return parse(render(action_data(image, datastore, verb=verb, **given)))


def test_the_record_and_the_configuration_are_told() -> None:
    data = told()
    assert (data.step, data.image_id, data.kind, data.path, data.source) == (4, 3, "OS", "/var/tmp/a", f"{BASE}/00")
    assert (data.size_mib, data.size_mib_max, data.checksum, data.base_path) == (10, 500, "sha256:bb", BASE)
    assert data.download_from == "10.0.0.0/8 fd00::/8"


def test_places_that_users_may_name_are_safe_only_where_some_are_named_safe() -> None:
    assert told().safe_dirs == ""
    closed = replace(DATASTORE, template=template(SAFE_DIRS="/var/tmp", RESTRICTED_DIRS="/"))
    assert (told(datastore=closed).safe_dirs, told(datastore=closed).restricted_dirs) == ("/var/tmp /srv/pub", "/")


def test_what_is_named_in_a_place_of_users_must_lie_in_one() -> None:
    assert told(replace(IMAGE, path="/srv/pub/link")).safe_dirs == "/srv/pub"
    assert told(replace(IMAGE, path="/srv/public/x")).safe_dirs == ""


def test_an_upload_is_read_from_its_users_directory_and_from_nowhere_else() -> None:
    closed = replace(DATASTORE, template=template(SAFE_DIRS="/var/tmp", RESTRICTED_DIRS="/"))
    data = told(replace(IMAGE, path="upload:7/a.img"), datastore=closed)
    assert (data.path, data.safe_dirs) == ("/home/uploads/7/a.img", "/home/uploads/7")


def test_a_resize_tells_the_size_that_is_wanted() -> None:
    assert told(begin(IMAGE, "RESIZE", size_mib=64), "RESIZE").size_mib == 64


def test_a_clone_tells_of_what() -> None:
    source = replace(IMAGE, id=2, source=f"{BASE}/ff", format="qcow2")
    data = told(verb="CLONE", cloned=source)
    assert (data.clone_source, data.clone_format) == (f"{BASE}/ff", "qcow2")


def test_a_question_about_the_room_is_about_no_image() -> None:
    data = told(None, "MONITOR")
    assert (data.image_id, data.base_path, data.path) == (-1, BASE, "")
