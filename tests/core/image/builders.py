"""Images and datastores with defaults, so that a test shows only what matters."""

from trifid.core.image.datastore import Datastore, DatastoreType
from trifid.core.image.record import Image, ImageState, ImageType
from trifid.core.vm.record import DiskSnapshot, DiskSnapshots

IMAGE_ID = 5
SOURCE = "/datastores/1/" + "ab" * 16


def image(state: ImageState = ImageState.READY, **more) -> Image:
    """An image that was imported; READY ones have been through step 2."""
    fields = {
        "id": IMAGE_ID,
        "uid": 7,
        "gid": 1,
        "name": "etch",
        "type": ImageType.OS,
        "datastore_id": 1,
        "state": state,
        "step": 2,
    }
    contents = {"source": SOURCE, "path": "/srv/etch.img", "format": "raw", "size_mib": 64}
    return Image(**(fields | contents | more))


def new_image(**more) -> Image:
    """An image that nobody has been asked for yet."""
    return image(ImageState.LOCKED, **{"step": 0, "format": "", "size_mib": 0, **more})


def datastore(datastore_id: int = 1, type: DatastoreType = DatastoreType.IMAGE, **more) -> Datastore:
    """A datastore of the dummy drivers."""
    ds_mad = "" if type is DatastoreType.SYSTEM else "dummy"
    fields = {"uid": 0, "gid": 0, "name": f"ds{datastore_id}", "ds_mad": ds_mad, "tm_mad": "dummy"}
    return Datastore(id=datastore_id, type=type, **{**fields, **more})


def snapshots(*parents: int, active: int = -1) -> DiskSnapshots:
    """Snapshots 0, 1 … with these parents."""
    made = tuple(DiskSnapshot(n, f"snap{n}", 100 + n, 64, parent) for n, parent in enumerate(parents))
    return DiskSnapshots(0, next_id=len(parents), active=active, snapshots=made)
