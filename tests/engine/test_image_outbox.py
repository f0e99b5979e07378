"""The outbox of images: what is asked of datastore drivers, whose answer counts, and what follows from deaths."""

import pytest

from tests.core.image.builders import IMAGE_ID, SOURCE, datastore, image, new_image
from tests.core.vm.builders import ALICE
from tests.engine.world import World, answer
from trifid.core.image.record import ImageAction, ImageState
from trifid.engine import images
from trifid.engine.delivery import CANCEL_GRACE_S, SENDINGS_MAX
from trifid.engine.image_outbox import ImageOutbox
from trifid.engine.queries import Queries
from trifid.wire.image_action import ImageActionData, parse
from trifid.wire.lines import parse_to_driver

S = ImageState
TIMEOUT_S = 600.0
MADE = f"{SOURCE} raw 64"


def data_of(image, datastore, cloned, verb):
    """What a driver is told, as far as these tests look at it."""
    return ImageActionData(
        step=image.step, image_id=image.id, source=image.source, clone_source=cloned.source if cloned else ""
    )


class Play:
    """A world with the outbox of images, and a datastore."""

    def __init__(self, world: World, home) -> None:
        self.world, self.ds, self.clock = world, world.ds, world.clock
        queries = Queries(world.drivers, call_later=world.clock.call_later)
        self.outbox = ImageOutbox(
            world.turns, world.drivers, queries, data_of, home / "images", call_later=world.clock.call_later
        )

    async def asks(self, of, verb, **more):
        await self.world.turns.ask(lambda draft: images.ask(draft, of, verb, **more))
        await self.world.settle()

    async def imports(self, **more):
        await self.asks(new_image(**more), "CP")

    async def says(self, word, status="SUCCESS", payload="-", image_id=IMAGE_ID):
        self.outbox.said(self.ds, answer(word, image_id, status, payload))
        await self.world.settle()

    async def dies(self, restarts=True):
        self.ds.is_ready, self.ds.trouble = False, "it died"
        self.outbox.down(self.ds, "it died")
        await self.world.settle()
        if restarts:
            self.ds.is_ready, self.ds.trouble = True, ""
            self.outbox.ready(self.ds)
            await self.world.settle()

    async def pass_by(self, seconds):
        self.clock.pass_by(seconds)
        await self.world.settle()

    @property
    def image(self):
        return self.world.memory.images[IMAGE_ID]

    @property
    def state(self):
        return self.image.state

    @property
    def error(self):
        return self.image.template.single("ERROR")

    def holds_nothing(self):
        return self.outbox.is_idle and self.clock.waiting() == 0 and not self.outbox.progress


@pytest.fixture
async def play(tmp_path):
    play = Play(World(timeout_s=TIMEOUT_S), tmp_path)
    await play.world.put(datastore())
    yield play
    await play.world.turns.close()


async def test_an_image_is_imported_changed_and_removed(play):
    await play.imports()
    assert play.ds.take() == ["CP 5"]
    await play.says("CP", payload=MADE)
    assert (play.state, play.image.size_mib) == (S.READY, 64)
    await play.asks(play.image, "RESIZE", size_mib=100)
    await play.says("RESIZE", payload="100")
    assert (play.state, play.image.size_mib) == (S.READY, 100)
    await play.asks(play.image, "RM")
    await play.says("RM")
    assert play.ds.take() == ["RESIZE 5", "RM 5"]
    assert (play.world.memory.images, play.world.memory.image_actions) == ({}, {})
    assert play.holds_nothing()


async def test_a_driver_is_told_the_step_and_of_what_a_clone_is_made(play):
    await play.world.put(image(id=9, name="first", source="/datastores/1/first"))
    await play.asks(new_image(cloning_id=9), "CLONE")
    told = parse(parse_to_driver(play.ds.sent[0]).payload)
    assert (told.step, told.image_id, told.source, told.clone_source) == (1, IMAGE_ID, SOURCE, "/datastores/1/first")


async def test_what_a_driver_says_of_a_failure_reaches_the_owner(play):
    await play.imports()
    await play.says("CP", "FAILURE", "no such file")
    assert (play.state, play.error) == (S.ERROR, "no such file")
    assert play.holds_nothing()


async def test_a_driver_that_gives_no_reason_is_told_of(play):
    await play.imports()
    await play.says("CP", "FAILURE")
    assert play.error == "the driver gave no reason"


# -- deletion while something is under way -------------------------------------------------------------


async def test_the_deletion_of_what_is_being_imported_waits_until_the_cancelled_import_is_answered(play):
    await play.imports()
    await play.asks(play.image, "RM")
    assert play.ds.take() == ["CP 5", "DRIVER_CANCEL 5"]
    await play.says("CP", "FAILURE", "cancelled by the engine")
    assert (play.state, play.ds.take()) == (S.DELETE, ["RM 5"])
    await play.says("RM")
    assert play.world.memory.images == {}
    assert play.holds_nothing()


async def test_an_import_that_was_done_before_its_cancellation_came_leaves_no_orphan(play):
    await play.imports()
    await play.asks(play.image, "RM")
    play.ds.take()
    await play.says("CP", payload=MADE)
    assert (play.state, play.image.size_mib, play.ds.take()) == (S.DELETE, 0, ["RM 5"])


async def test_the_deletion_goes_out_when_the_driver_that_imported_is_gone_and_back(play):
    await play.imports()
    await play.asks(play.image, "RM")
    play.ds.take()
    await play.dies()
    assert play.ds.take() == ["RM 5"]


async def test_a_driver_of_others_that_is_silent_about_a_cancelled_import_is_not_waited_for_long(play):
    play.ds.answers_all = False
    await play.imports()
    await play.asks(play.image, "RM")
    play.ds.take()
    await play.pass_by(CANCEL_GRACE_S)
    assert play.ds.take() == ["RM 5"]
    await play.says("CP", payload=MADE)
    assert play.state is S.DELETE


async def test_a_deletion_that_its_driver_has_no_time_for_can_be_asked_again(play):
    await play.imports()
    await play.asks(play.image, "RM")
    await play.pass_by(TIMEOUT_S)
    assert (play.state, play.error) == (S.ERROR, "ds driver dummy was still busy with CP after 600 s")
    await play.asks(play.image, "RM")
    await play.says("CP", "FAILURE", "cancelled by the engine")
    assert play.ds.take() == ["CP 5", "DRIVER_CANCEL 5", "RM 5"]


async def test_the_import_of_what_is_forgotten_is_cancelled(play):
    await play.imports()
    await play.world.turns.ask(lambda draft: images.forget(draft, draft.image(IMAGE_ID), ALICE))
    await play.world.settle()
    assert play.ds.take() == ["CP 5", "DRIVER_CANCEL 5"]
    await play.says("CP", payload=MADE)
    assert play.world.memory.images == {}
    assert play.holds_nothing()


# -- answers that do not count -------------------------------------------------------------------------


async def test_an_answer_that_comes_twice_counts_once(play):
    await play.imports()
    await play.says("CP", payload=MADE)
    await play.says("CP", "FAILURE", "again")
    assert (play.state, play.error) == (S.READY, "")


async def test_an_answer_to_another_word_or_about_another_image_is_ignored(play):
    await play.imports()
    await play.says("RM")
    await play.says("CP", payload=MADE, image_id=6)
    assert (play.state, play.world.memory.image_actions) == (S.LOCKED, {IMAGE_ID: ImageAction(IMAGE_ID, 1, "CP")})


async def test_an_answer_of_another_driver_is_ignored(play):
    await play.imports()
    play.outbox.said(play.world.tm, answer("CP", IMAGE_ID, "SUCCESS", MADE))
    await play.world.settle()
    assert play.state is S.LOCKED


async def test_what_takes_too_long_is_stopped_and_the_image_is_locked_until_that_is_over(play):
    await play.imports()
    await play.pass_by(TIMEOUT_S)
    assert play.ds.take() == ["CP 5", "DRIVER_CANCEL 5"]
    assert play.state is S.LOCKED
    await play.says("CP", "FAILURE", "cancelled by the engine")
    assert (play.state, play.error) == (S.ERROR, "CP was not done after 600 s: cancelled by the engine")
    assert play.holds_nothing()


async def test_an_answer_after_the_time_out_of_a_driver_that_may_be_silent_changes_nothing(play):
    play.ds.answers_all = False
    await play.imports()
    await play.pass_by(TIMEOUT_S)
    assert (play.state, play.error) == (S.ERROR, "ds driver dummy did not answer CP within 600 s")
    assert play.ds.take() == ["CP 5", "DRIVER_CANCEL 5"]
    await play.says("CP", payload=MADE)
    assert play.state is S.ERROR
    assert play.holds_nothing()


# -- progress ------------------------------------------------------------------------------------------


async def test_progress_is_kept_until_the_answer_and_begins_the_time_out_anew(play):
    await play.imports()
    await play.pass_by(TIMEOUT_S - 1)
    play.outbox.said(play.ds, answer("LOG", IMAGE_ID, "I", "40 % of 2 GiB"))
    assert play.outbox.progress == {IMAGE_ID: "40 % of 2 GiB"}
    await play.pass_by(TIMEOUT_S - 1)
    assert play.state is S.LOCKED
    await play.says("CP", payload=MADE)
    assert (play.state, play.outbox.progress) == (S.READY, {})
    assert play.holds_nothing()


async def test_progress_of_what_is_being_deleted_is_of_no_interest(play):
    await play.imports()
    await play.asks(play.image, "RM")
    play.outbox.said(play.ds, answer("LOG", IMAGE_ID, "I", "50 %"))
    assert play.outbox.progress == {}


async def test_what_a_driver_says_of_an_image_that_it_has_nothing_to_do_for_is_not_kept(play):
    await play.world.put(image())
    play.outbox.said(play.ds, answer("LOG", IMAGE_ID, "I", "hello"))
    assert play.outbox.progress == {}


# -- drivers that die, and the engine that does --------------------------------------------------------


async def test_an_action_is_sent_again_when_its_driver_comes_back(play):
    await play.imports()
    play.ds.take()
    await play.dies()
    assert play.ds.take() == ["CP 5"]
    await play.says("CP", payload=MADE)
    assert play.state is S.READY
    assert play.holds_nothing()


async def test_a_driver_that_keeps_dying_over_an_action_fails_it(play):
    await play.imports()
    for _ in range(SENDINGS_MAX):
        assert (play.state, play.ds.take()) == (S.LOCKED, ["CP 5"])
        await play.dies()
    assert (play.state, play.error) == (S.ERROR, "ds driver dummy died 3 times over this action, see its log")
    assert play.ds.take() == []
    assert play.holds_nothing()


async def test_a_driver_that_does_not_start_fails_what_it_has_and_what_comes(play):
    await play.imports()
    play.ds.starts_failed = 2
    await play.dies(restarts=False)
    assert (play.state, play.error) == (S.ERROR, "ds driver dummy is down: it died")
    await play.asks(play.image, "RM")
    assert (play.state, play.error) == (S.ERROR, "ds driver dummy is down: it died")


async def test_a_driver_that_is_not_configured_fails_the_action_and_names_those_that_are(play):
    await play.world.put(datastore(ds_mad="ceph"))
    await play.imports()
    assert play.state is S.ERROR
    assert play.error == "ds driver ceph is not configured (configured: dummy), see trifid.toml"


async def test_the_death_of_a_driver_does_not_concern_another_datastores_images(play):
    await play.world.put(datastore(2, ds_mad="other"))
    await play.imports()
    play.outbox.down(play.world.tm, "it died")
    await play.world.settle()
    await play.says("CP", payload=MADE)
    assert play.state is S.READY


@pytest.mark.parametrize("verb", ["CP", "RM"])
async def test_after_a_restart_of_the_engine_what_was_under_way_is_sent_again(play, tmp_path, verb):
    if verb == "CP":
        await play.imports()
    else:
        await play.world.put(image())
        await play.asks(image(), "RM")
    again = Play(World(store=play.world.store), tmp_path)
    again.outbox.ready(again.ds)
    assert again.ds.take() == [f"{verb} 5"]
    await again.says(verb, payload=MADE)
    assert [one.state for one in again.world.memory.images.values()] == ([S.READY] if verb == "CP" else [])
    await again.world.turns.close()


async def test_after_a_restart_an_import_that_was_to_be_deleted_is_only_deleted(play, tmp_path):
    await play.imports()
    await play.asks(play.image, "RM")
    again = Play(World(store=play.world.store), tmp_path)
    again.outbox.ready(again.ds)
    assert again.ds.take() == ["RM 5"]
    await again.world.turns.close()


@pytest.mark.parametrize(("verb", "state"), [("CP", S.ERROR), ("RM", S.ERROR), ("RESIZE", S.READY)])
async def test_after_a_restart_what_was_asked_of_a_driver_that_is_configured_no_more_has_failed(
    play, tmp_path, verb, state
):
    if verb == "CP":
        await play.imports()
    else:
        await play.world.put(image())
        await play.asks(image(), verb, size_mib=100)
    await play.world.put(datastore(ds_mad="ceph"), datastore(2), image(id=9, datastore_id=2))
    await play.asks(play.world.memory.images[9], "RM")
    again = Play(World(store=play.world.store), tmp_path)
    again.outbox.fail_unserved()
    await again.world.settle()
    assert again.state is state
    assert again.error == "ds driver ceph is not configured (configured: dummy), see trifid.toml"
    assert list(again.world.memory.image_actions) == [9], "that is for a driver that is there"
    await again.world.turns.close()


# -- what drivers keep ---------------------------------------------------------------------------------


async def test_what_drivers_keep_of_an_image_goes_with_it(play, tmp_path):
    kept, others = (tmp_path / "images" / name for name in ("5", "6"))
    for directory in (kept, others):
        directory.mkdir(parents=True)
        (directory / "fence.ds-fs").write_text("1\n")
    await play.world.put(image())
    await play.asks(image(), "RM")
    await play.says("RM")
    assert (kept.exists(), others.exists()) == (False, True)
    play.outbox.tidy()
    assert not others.exists()


async def test_what_drivers_keep_of_images_that_are_there_stays(play, tmp_path):
    kept = tmp_path / "images" / "5"
    kept.mkdir(parents=True)
    await play.world.put(image())
    play.outbox.tidy()
    assert kept.exists()


async def test_an_image_that_is_deleted_at_once_is_seen_in_delete_for_a_while(play):
    play.outbox.deleting_seen_s = 1.0
    await play.imports()
    await play.says("CP", payload=MADE)
    await play.asks(play.image, "RM")
    await play.says("RM")
    await play.pass_by(0.9)
    assert play.state is S.DELETE
    await play.pass_by(0.2)
    assert IMAGE_ID not in play.world.memory.images
    assert play.holds_nothing()
