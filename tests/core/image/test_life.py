"""The life of an image: what may be begun in which state, and what every answer makes of it."""

import pytest

from tests.core.image.builders import SOURCE, image, new_image, snapshots
from trifid.core.image.life import CHANGES, MAKES, RESIZE_TO, Done, Failed, answered, begin, saved
from trifid.core.image.record import NO_IMAGE, NO_VM, ImageState
from trifid.core.template.model import template
from trifid.errors import Refused

S = ImageState
NOW = 5000
ALL_VERBS = (*MAKES, *CHANGES, "RM")


def begun(verb, before=None, **more):
    """An image that a driver is at work for."""
    if before is None:
        before = new_image(cloning_id=9 if verb == "CLONE" else NO_IMAGE) if verb in MAKES else with_snapshots()
    if verb.startswith("SNAP"):
        more = {"snapshot_id": 1, **more}
    if verb == "RESIZE":
        before, more = image(), {"size_mib": 100, **more}
    return begin(before, verb, **more)


def with_snapshots():
    return image(snapshots=snapshots(-1, 0, 1, active=2))


def done(of, verb, info=""):
    return answered(of, verb, Done(step=of.step, info=info), NOW)


def failed(of, verb, why="no space left"):
    return answered(of, verb, Failed(step=of.step, why=why), NOW)


# -- beginning -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ALL_VERBS)
def test_what_is_begun_has_a_step_of_its_own_and_is_locked_or_being_deleted(verb):
    before = new_image() if verb in MAKES else with_snapshots()
    after = begun(verb)
    assert after.step == before.step + 1
    assert after.state is (S.DELETE if verb == "RM" else S.LOCKED)


@pytest.mark.parametrize("state", [S.LOCKED, S.DISABLED, S.ERROR, S.DELETE])
@pytest.mark.parametrize("verb", CHANGES)
def test_only_what_is_ready_is_changed(verb, state):
    of = image(state, snapshots=snapshots(-1))
    with pytest.raises(Refused, match=f"image 5 is {state.name}: {verb} needs READY"):
        begin(of, verb, snapshot_id=0, size_mib=100)


@pytest.mark.parametrize("state", [S.LOCKED, S.READY, S.DISABLED, S.ERROR])
def test_everything_but_what_is_being_deleted_can_be_deleted(state):
    assert begin(image(state), "RM").state is S.DELETE
    with pytest.raises(Refused, match="image 5 is being deleted already"):
        begin(image(S.DELETE), "RM")


def test_what_a_vm_is_saving_is_not_deleted_under_its_hands():
    with pytest.raises(Refused, match="image 5 is being saved from VM 42"):
        begin(new_image(saved_from=42), "RM")


@pytest.mark.parametrize("verb", ["SNAP_DELETE", "SNAP_REVERT", "SNAP_FLATTEN"])
def test_a_snapshot_that_is_not_there_is_named_with_those_that_are(verb):
    with pytest.raises(Refused, match="Snapshot 7 does not exist: image 5 has 0, 1, 2"):
        begin(with_snapshots(), verb, snapshot_id=7)
    with pytest.raises(Refused, match="image 5 has none"):
        begin(image(), verb, snapshot_id=0)


def test_an_image_only_grows_and_not_while_it_has_snapshots_of_its_present_size():
    with pytest.raises(Refused, match="image 5 has 64 MiB: images only grow, 63 MiB is less"):
        begin(image(), "RESIZE", size_mib=63)
    with pytest.raises(Refused, match="image 5 has snapshots"):
        begin(with_snapshots(), "RESIZE", size_mib=100)


# -- answers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", MAKES)
def test_what_is_made_is_ready_as_its_driver_says(verb):
    after = done(begun(verb), verb, f"{SOURCE} qcow2 2048")
    assert (after.state, after.prev) == (S.READY, S.LOCKED)
    assert (after.source, after.format, after.size_mib, after.modtime) == (SOURCE, "qcow2", 2048, NOW)
    assert after.cloning_id == NO_IMAGE


@pytest.mark.parametrize("verb", MAKES)
def test_what_could_not_be_made_is_in_error_and_says_why(verb):
    after = failed(begun(verb), verb)
    assert (after.state, after.template.single("ERROR")) == (S.ERROR, "no space left")
    assert after.cloning_id == NO_IMAGE


@pytest.mark.parametrize("info", ["", SOURCE, f"{SOURCE} raw", f"{SOURCE} raw 12MB", f"{SOURCE} raw ²", "a b 1 c"])
def test_an_answer_that_cannot_be_understood_is_a_failure_that_quotes_it(info):
    after = done(begun("CP"), "CP", info)
    assert after.state is S.ERROR
    assert "the driver's answer to CP cannot be understood: expected " in after.template.single("ERROR")


def test_what_is_removed_is_gone_and_what_is_not_is_in_error():
    of = begun("RM")
    assert done(of, "RM") is None
    assert (failed(of, "RM").state, failed(of, "RM").template.single("ERROR")) == (S.ERROR, "no space left")


def test_an_image_has_its_new_size_once_its_driver_says_so():
    of = begun("RESIZE")
    assert (of.size_mib, of.template.single(RESIZE_TO)) == (64, "100")
    after = done(of, "RESIZE", "104")
    assert (after.state, after.size_mib, after.modtime, RESIZE_TO in after.template) == (S.READY, 104, NOW, False)


@pytest.mark.parametrize("verb", CHANGES)
def test_what_could_not_be_changed_is_as_it_was_and_ready(verb):
    before = image() if verb == "RESIZE" else with_snapshots()
    after = failed(begun(verb), verb)
    assert (after.state, after.template.single("ERROR")) == (S.READY, "no space left")
    assert (after.size_mib, after.snapshots, after.modtime) == (before.size_mib, before.snapshots, before.modtime)
    assert (RESIZE_TO in after.template, after.target_snapshot) == (False, -1)


def test_a_success_takes_the_text_of_an_earlier_failure_away():
    of = failed(begun("RESIZE"), "RESIZE")
    again = begin(of, "RESIZE", size_mib=100)
    assert "ERROR" not in done(again, "RESIZE", "100").template


def test_the_children_of_a_snapshot_that_is_deleted_are_its_parents():
    after = done(begun("SNAP_DELETE"), "SNAP_DELETE").snapshots
    assert [(one.id, one.parent) for one in after.snapshots] == [(0, -1), (2, 0)]
    assert (after.active, after.next_id) == (2, 3)


def test_when_the_active_snapshot_is_deleted_its_parent_is_active():
    after = done(begun("SNAP_DELETE", snapshot_id=2), "SNAP_DELETE").snapshots
    assert after.active == 1


def test_an_image_that_is_reverted_keeps_its_snapshots():
    after = done(begun("SNAP_REVERT"), "SNAP_REVERT")
    assert (after.snapshots.active, len(after.snapshots.snapshots), after.modtime) == (1, 3, NOW)


def test_an_image_that_is_flattened_has_no_snapshots_and_never_gives_their_ids_again():
    after = done(begun("SNAP_FLATTEN"), "SNAP_FLATTEN")
    assert (after.snapshots.snapshots, after.snapshots.next_id, after.snapshots.active) == ((), 3, -1)


@pytest.mark.parametrize("verb", ALL_VERBS)
@pytest.mark.parametrize("late", [-1, 1])
def test_an_answer_to_another_step_changes_nothing(verb, late):
    of = begun(verb)
    assert answered(of, verb, Done(step=of.step + late, info="x raw 1"), NOW) is of
    assert answered(of, verb, Failed(step=of.step + late, why="late"), NOW) is of


@pytest.mark.parametrize("verb", ALL_VERBS)
def test_an_answer_that_comes_twice_counts_once(verb):
    of = begun(verb)
    once = failed(of, verb)
    assert answered(once, verb, Failed(step=of.step, why="again"), NOW) is once


# -- disks of VMs --------------------------------------------------------------------------------------


def test_a_saved_disk_is_an_image_that_is_ready():
    after = saved(new_image(saved_from=42, size_mib=64, format="raw"), True, NOW)
    assert (after.state, after.saved_from, after.size_mib, after.format) == (S.READY, NO_VM, 64, "raw")
    assert after.modtime == NOW
    known = saved(new_image(saved_from=42), True, NOW, size_mib=70, format="qcow2")
    assert (known.size_mib, known.format) == (70, "qcow2")


def test_a_disk_that_was_not_saved_leaves_an_image_in_error_that_can_be_deleted():
    after = saved(new_image(saved_from=42), False, NOW, why="disk full")
    assert (after.state, after.template.single("ERROR")) == (S.ERROR, "disk full")
    assert begin(after, "RM").state is S.DELETE


@pytest.mark.parametrize("of", [image(), new_image(), image(S.DELETE, saved_from=42)])
def test_an_image_that_waits_for_no_vm_is_not_changed_by_one(of):
    assert saved(of, True, NOW) is of
    assert saved(of, False, NOW) is of


def test_what_the_user_wrote_stays_through_it_all():
    written = template(DESCRIPTION="mine", DEV_PREFIX="vd")
    after = failed(begun("CP", new_image(template=written)), "CP")
    assert after.template.without("ERROR") == written
