"""The outbox of images: what datastore drivers are asked, and what becomes of their answers.

As engine/outbox.py is for VMs: an action is a row that stays until its answer has been committed, and is
sent again when its driver comes up.  While an image is imported its driver tells how far it is; each such
line also begins the action's time-out anew, since an import takes as long as it takes.
"""

import errno
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from trifid.core.image.datastore import Datastore
from trifid.core.image.life import Answer, Done, Failed
from trifid.core.image.record import Image, ImageAction
from trifid.engine import images
from trifid.engine.delivery import CANCEL_GRACE_S, CallLater, Delivery, Sent
from trifid.engine.drivers import DriverSet
from trifid.engine.orders import Order
from trifid.engine.queries import Queries
from trifid.engine.transaction import Draft
from trifid.engine.turn import Turns
from trifid.store.interface import Batch
from trifid.wire.image_action import ImageActionData, render
from trifid.wire.lines import NOTHING, Message

log = logging.getLogger("trifid.images")

DELETING_SEEN_S = 1.0
"""How long an image is seen in DELETE at least: existing playbooks look for that state, and fail when it is over.

Source: reference/api-modern.md §5.3.
"""

MakeData = Callable[[Image, Datastore, Image | None, str], ImageActionData]
"""(image, its datastore, the image that it is a clone of, verb) -> what the driver is told"""


class ImageOutbox(Delivery[ImageAction]):
    """Sends what is asked for images, and hears what comes of it.

    Args:
        fences: directory in which drivers keep the last step number of each image, by its id.
        call_later: as of an event loop; the running one's by default.

    Attributes:
        progress: image id to the latest that its driver said of what it is doing.
        deleting_seen_s: how long an image is seen in DELETE at least.
    """

    kind = "image"
    too_long = "make the image's template smaller"

    def __init__(
        self,
        turns: Turns,
        drivers: DriverSet,
        queries: Queries,
        make_data: MakeData,
        fences: Path,
        *,
        cancel_grace_s: float = CANCEL_GRACE_S,
        call_later: CallLater | None = None,
    ) -> None:
        super().__init__(drivers, log, cancel_grace_s=cancel_grace_s, call_later=call_later)
        self.progress: dict[int, str] = {}
        self.deleting_seen_s = 0.0
        self._late: dict[int, str] = {}
        self._turns = turns
        self._queries = queries
        self._make_data = make_data
        self._fences = fences
        turns.after_commit.append(self.committed)

    async def query(self, name: str, verb: str, data: ImageActionData) -> str:
        """Return what a datastore driver answers to a question: STAT, MONITOR.

        Raises:
            Refused: it is not configured, does not start, cannot do it, or is silent for too long.
        """
        return await self._queries.ask("ds", name, verb, data)

    def committed(self, batch: Batch) -> None:
        """Send what the batch asks for; forget what is gone."""
        for image_id, image in batch.images.items():
            if image is None:
                self._forget(image_id)
        for image_id, action in batch.image_actions.items():
            self.progress.pop(image_id, None)
            sent = self._under_way.get(image_id)
            if action is None and sent is not None:
                self._cancel(sent)  # it was taken back, not answered
        self._send_all(batch.image_actions)

    def fail_unserved(self) -> None:
        """Fail, at the engine's start, what was asked of drivers that are no longer configured: nobody will answer."""
        for action in list(self._wanted.values()):
            whose = self._driver_of(action)
            if whose is not None and self._drivers.get(*whose) is None:
                self.send(action)

    def tidy(self) -> None:
        """Remove what drivers keep of images that are gone, at the engine's start."""
        for directory in self._fences.glob("*"):
            if directory.name.isdecimal() and int(directory.name) not in self._turns.memory.images:
                _remove_fences(directory)

    def _forget(self, image_id: int) -> None:
        self.progress.pop(image_id, None)
        _remove_fences(self._fences / str(image_id))

    def _id(self, action: ImageAction) -> int:
        return action.image_id

    @property
    def _wanted(self) -> Mapping[int, ImageAction]:
        return self._turns.memory.image_actions

    def _driver_of(self, action: ImageAction) -> tuple[str, str] | None:
        image = self._turns.memory.images.get(action.image_id)
        if image is None or image.step != action.step:
            return None
        return "ds", self._turns.memory.datastores[image.datastore_id].ds_mad

    def _render(self, action: ImageAction) -> Order:
        memory = self._turns.memory
        image = memory.images[action.image_id]
        cloned = memory.images.get(image.cloning_id)
        data = self._make_data(image, memory.datastores[image.datastore_id], cloned, action.verb)
        return Order(action.verb, render(data))

    def _heard_of(self, sent: Sent[ImageAction], text: str) -> None:
        if sent.is_cancelled:
            return
        self.progress[sent.action.image_id] = text
        if sent.timer is not None:
            sent.timer.cancel()
        self._start_timer(sent)

    def _timed_out(self, sent: Sent[ImageAction]) -> None:
        """Stop what takes too long; the image stays locked until that is over, so that nobody uses it meanwhile."""
        if not sent.driver.answers_all:
            super()._timed_out(sent)
            return
        self._late[sent.action.image_id] = f"{sent.word} was not done after {sent.driver.settings.timeout_s:g} s"
        self._cancel(sent)

    def _answered(self, action: ImageAction, message: Message) -> None:
        told = "" if message.payload == NOTHING else message.payload
        if late := self._late.pop(action.image_id, ""):
            told = told if message.status == "SUCCESS" else f"{late}: {told}"
        if message.status == "SUCCESS":
            done = Done(step=action.step, info=told)
            if action.verb == "RM" and self.deleting_seen_s:
                self._call_later(self.deleting_seen_s, self._happen, action, done)
            else:
                self._happen(action, done)
        else:
            self._happen(action, Failed(step=action.step, why=told or "the driver gave no reason"))

    def _fail(self, action: ImageAction, why: str) -> None:
        self._happen(action, Failed(step=action.step, why=why))

    def _happen(self, action: ImageAction, answer: Answer) -> None:
        def command(draft: Draft) -> None:
            images.answer(draft, action, answer)

        self._turns.post(command)


def _remove_fences(directory: Path) -> None:
    """Remove the files of drivers of an image that is gone, and their directory; ids are never given again."""
    try:
        for path in directory.glob("fence.*"):
            path.unlink()
        directory.rmdir()
    except FileNotFoundError:
        return
    except OSError as fault:
        if fault.errno != errno.ENOTEMPTY:
            log.warning("%s cannot be removed: %s", directory, fault.strerror)
