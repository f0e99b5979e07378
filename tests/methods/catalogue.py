"""A datastore driver that is asked on the engine's side of its pipe: it knows some files, and answers when told to."""

from trifid.core.image.datastore import Space
from trifid.core.image.life import Done, Failed
from trifid.engine import images
from trifid.errors import Refused


class Catalogue:
    """Stands in for the process of driver `fs`.

    Attributes:
        files: path to (size MiB, format), of what can be imported.
        asked: what it was asked (STAT), newest last.
        spaces: datastore id to its room.
    """

    def __init__(self, world) -> None:
        self.world = world
        self.files = {"/var/tmp/debian.img": (300, "raw")}
        self.asked = []
        self.spaces = {}
        world.engine.images.query = self.query
        world.engine.documents.space_of = lambda datastore_id: self.spaces.get(datastore_id, Space())

    async def query(self, name, verb, data):
        """Answer a question as the driver does."""
        self.asked.append((name, verb, data))
        if data.path not in self.files:
            raise Refused(f"{data.path}: no such file")
        size_mib, form = self.files[data.path]
        return f"{size_mib} {form}"

    def action(self, image_id):
        """Return what the driver is doing for an image."""
        return self.world.memory.image_actions.get(image_id)

    async def done(self, image_id, info=""):
        """Let the driver do what it was asked."""
        action = self.action(image_id)
        assert action is not None, f"image {image_id} waits for no driver"
        happened = Done(step=action.step, info=info)
        await self.world.engine.turns.ask(lambda draft: images.answer(draft, action, happened))

    async def failed(self, image_id, why):
        """Let the driver fail."""
        action = self.action(image_id)
        assert action is not None, f"image {image_id} waits for no driver"
        happened = Failed(step=action.step, why=why)
        await self.world.engine.turns.ask(lambda draft: images.answer(draft, action, happened))
