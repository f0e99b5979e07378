"""oneimage, typed against a small engine."""

import json

import pytest

from tests.cli.fake_engine import FIRST_PAGE, Refusal, datastore_xml, image_xml
from trifid.cli.shell import Shell

LOCKED, READY, ERROR, DELETE = 4, 1, 5, 7
GONE = Refusal("[one.image.info] Error getting image [3].", 0x0400, 3)


@pytest.fixture(autouse=True)
def _catalogue(fake):
    fake.datastores |= {
        2: datastore_xml(2, "files", 2),
        1: datastore_xml(1, "default", total=1000),
        0: datastore_xml(0, "system", 1),
        100: datastore_xml(100, "fast"),
    }
    fake.images[3] = image_xml(3)
    fake.answers("one.image.allocate", 3)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    """Let time go by at once."""
    monkeypatch.setattr(Shell, "sleep", lambda self, seconds: None)


class TestCreate:
    def test_a_template_is_sent_as_it_was_written(self, fake, type_in, tmp_path):
        (tmp_path / "debian.image").write_text('NAME = "debian"  # stable\nPATH = /srv/images/d.qcow2\n')
        result = type_in("oneimage", "create", str(tmp_path / "debian.image"), "-d", "fast")
        assert (result.exit_code, result.output) == (0, "ID: 3\n")
        text = 'NAME = "debian"  # stable\nPATH = /srv/images/d.qcow2\n'
        assert fake.called("one.image.allocate") == [[text, 100, False]]

    def test_options_describe_an_image(self, fake, type_in):
        words = "--name data --type datablock --size 20g --fs ext4 --persistent --prefix vd --no_check_capacity"
        type_in("oneimage", "create", *words.split(), "--description", "of the shop")
        text = (
            'NAME="data"\nTYPE="DATABLOCK"\nSIZE="20480"\nPERSISTENT="YES"\nFS="ext4"\nDEV_PREFIX="vd"\n'
            'DESCRIPTION="of the shop"\n'
        )
        assert fake.called("one.image.allocate") == [[text, 1, True]]

    def test_options_replace_what_the_file_says(self, fake, type_in):
        words = ["--name", "other", "--sha256", "ab", "--md5", "cd", "--source", "/x", "--format", "raw"]
        type_in("oneimage", "create", "-", *words, stdin="NAME=debian\nPATH=/srv/d\n")
        text = 'PATH="/srv/d"\nNAME="other"\nSOURCE="/x"\nFORMAT="raw"\nSHA256="ab"\nMD5="cd"\n'
        assert fake.called("one.image.allocate")[0][0] == text

    def test_a_file_here_is_named_with_all_of_its_path(self, fake, type_in, tmp_path, monkeypatch):
        (tmp_path / "d.img").write_bytes(b"disk")
        monkeypatch.chdir(tmp_path)
        type_in("oneimage", "create", "--name", "d", "--path", "d.img", "--sha1", "ab")
        assert fake.called("one.image.allocate")[0][0] == f'NAME="d"\nPATH="{tmp_path}/d.img"\nSHA1="ab"\n'

    @pytest.mark.parametrize("path", ["upload:d.img", "https://images.example.org/d.img", "of-the-engine.img"])
    def test_other_paths_are_the_engines_matter(self, fake, type_in, path):
        type_in("oneimage", "create", "--name", "d", "--path", path)
        assert fake.called("one.image.allocate")[0][0] == f'NAME="d"\nPATH="{path}"\n'

    @pytest.mark.parametrize(
        ("kind", "datastore"),
        [("OS", 1), ("CDROM", 1), ("DATABLOCK", 1), ("KERNEL", 2), ("RAMDISK", 2), ("CONTEXT", 2)],
    )
    def test_it_goes_where_such_things_are_kept(self, fake, type_in, kind, datastore):
        type_in("oneimage", "create", "--name", "x", "--path", "/srv/x", "--type", kind)
        assert fake.called("one.image.allocate")[0][1] == datastore

    def test_where_a_file_says_what_it_is(self, fake, type_in):
        type_in("oneimage", "create", "-", stdin="NAME=x\nPATH=/srv/x\nTYPE=kernel\n")
        assert fake.called("one.image.allocate")[0][1] == 2

    def test_a_file_of_this_machine_is_sent_first(self, fake, type_in, tmp_path):
        (tmp_path / "debian.qcow2").write_bytes(b"QFI")
        type_in("oneimage", "create", "--upload", str(tmp_path / "debian.qcow2"))
        ((name, data),) = fake.uploads.items()
        assert data == b"QFI"
        assert name.endswith("-debian.qcow2")
        text = f'NAME="debian"\nPATH="upload:{name}"\n'
        assert fake.called("one.image.allocate") == [[text, 1, False]]

    def test_an_upload_is_forgotten_once_there_is_an_image_of_it(self, fake, type_in, tmp_path):
        (tmp_path / "debian.qcow2").write_bytes(b"QFI")
        result = type_in("oneimage", "create", "--upload", str(tmp_path / "debian.qcow2"), "--wait")
        assert (result.exit_code, fake.uploads) == (0, {})

    def test_an_upload_stays_when_no_image_came_of_it(self, fake, type_in, tmp_path):
        fake.images[3] = image_xml(3, state=ERROR, template={"ERROR": "no room"})
        (tmp_path / "debian.qcow2").write_bytes(b"QFI")
        result = type_in("oneimage", "create", "--upload", str(tmp_path / "debian.qcow2"), "--wait")
        assert (result.exit_code, len(fake.uploads)) == (255, 1)

    def test_waiting_ends_when_it_is_ready(self, fake, type_in):
        fake.answers("one.image.info", image_xml(3, state=LOCKED), image_xml(3, state=READY))
        result = type_in("oneimage", "create", "--name", "x", "--size", "1", "--wait")
        assert (result.exit_code, result.output) == (0, "ID: 3\n")
        assert len(fake.called("one.image.info")) == 2

    def test_waiting_tells_why_it_failed(self, fake, type_in):
        broken = image_xml(3, state=ERROR, template={"ERROR": "the checksum is another"})
        fake.answers("one.image.info", image_xml(3, state=LOCKED), broken)
        result = type_in("oneimage", "create", "--name", "x", "--size", "1", "--wait")
        assert result.exit_code == 255
        assert "Error: image 3: the checksum is another" in result.stderr
        assert "oneimage delete 3" in result.stderr

    def test_waiting_has_an_end(self, fake, type_in):
        fake.images[3] = image_xml(3, state=LOCKED)
        result = type_in("oneimage", "create", "--name", "x", "--size", "1", "--wait", "--timeout", "0")
        assert result.exit_code == 255
        assert "image 3 is not done yet" in result.stderr

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            ([], "an image needs a name"),
            (["--size", "much", "--name", "x"], "much is not a size"),
            (["--upload", "/nowhere"], "/nowhere is not a file"),
            (["--upload", __file__, "--path", "/x"], "do not go together"),
            (["--name", "x", "-d", "slow"], "Datastore named slow not found."),
            (["--name", "x", "--type", "floppy"], "'floppy' is not one of"),
        ],
    )
    def test_what_cannot_be_is_told_before_anything_is_sent(self, fake, type_in, words, told):
        result = type_in("oneimage", "create", *words)
        assert result.exit_code == 255
        assert told in result.stderr
        assert (fake.called("one.image.allocate"), fake.uploads) == ([], {})

    def test_without_a_datastore_that_is_told(self, fake, type_in):
        fake.datastores.clear()
        result = type_in("oneimage", "create", "--name", "x", "--size", "1")
        assert "you see no datastore for images" in result.stderr


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("clone debian my-debian", ("one.image.clone", 3, "my-debian", -1)),
        ("clone 3 my-debian -d fast", ("one.image.clone", 3, "my-debian", 100)),
        ("delete debian", ("one.image.delete", 3, False)),
        ("delete 3 --force", ("one.image.delete", 3, True)),
        ("enable 3", ("one.image.enable", 3, True)),
        ("disable 3", ("one.image.enable", 3, False)),
        ("persistent 3", ("one.image.persistent", 3, True)),
        ("nonpersistent 3", ("one.image.persistent", 3, False)),
        ("chtype 3 datablock", ("one.image.chtype", 3, "DATABLOCK")),
        ("resize debian 40g", ("trifid.image.resize", 3, 40960)),
        ("snapshot-delete 3 1", ("one.image.snapshotdelete", 3, 1)),
        ("snapshot-revert 3 1", ("one.image.snapshotrevert", 3, 1)),
        ("snapshot-flatten 3 1", ("one.image.snapshotflatten", 3, 1)),
        ("lock 3", ("one.image.lock", 3, 4, False)),
        ("unlock 3", ("one.image.unlock", 3)),
        ("rename 3 other", ("one.image.rename", 3, "other")),
        ("chmod 3 644", ("one.image.chmod", 3, 1, 1, 0, 1, 0, 0, 1, 0, 0)),
        ("chown 3 0 1", ("one.image.chown", 3, 0, 1)),
        ("chgrp 3 users", ("one.image.chown", 3, -1, 1)),
    ],
)
def test_a_command_is_one_call(fake, type_in, words, call):
    fake.answers(call[0], 0)
    result = type_in("oneimage", *words.split())
    assert result.exit_code == 0
    assert fake.calls[-1] == call


def test_ranges_and_lists_mean_several(fake, type_in):
    fake.answers("one.image.delete", Refusal("VM 7 uses it", 0x0800, 3), 5)
    result = type_in("oneimage", "delete", "3,5..6")
    assert fake.called("one.image.delete") == [[3, False], [5, False], [6, False]]
    assert (result.exit_code, "VM 7 uses it" in result.stderr) == (255, True)


class TestWait:
    def test_a_deletion_is_done_when_the_image_is_gone(self, fake, type_in):
        fake.answers("one.image.delete", 3)
        fake.answers("one.image.info", image_xml(3, state=DELETE), GONE)
        assert type_in("oneimage", "delete", "3", "--wait").exit_code == 0

    def test_a_deletion_that_failed_is_told(self, fake, type_in):
        fake.answers("one.image.delete", 3)
        fake.images[3] = image_xml(3, state=ERROR, template={"ERROR": "the disk is broken"})
        result = type_in("oneimage", "delete", "3", "--wait")
        assert (result.exit_code, "image 3: the disk is broken" in result.stderr) == (255, True)

    def test_an_old_error_is_no_news(self, fake, type_in):
        fake.answers("trifid.image.resize", 3)
        fake.images[3] = image_xml(3, template={"ERROR": "last year"})
        assert type_in("oneimage", "resize", "3", "4g", "--wait").exit_code == 0

    def test_a_new_error_is_told_though_the_image_can_be_used(self, fake, type_in):
        fake.answers("trifid.image.resize", 3)
        fake.answers("one.image.info", image_xml(3), image_xml(3, template={"ERROR": "no room"}))
        result = type_in("oneimage", "resize", "3", "4g", "--wait")
        assert (result.exit_code, "image 3: no room" in result.stderr) == (255, True)

    def test_a_clone_is_waited_for(self, fake, type_in):
        fake.answers("one.image.clone", 4)
        fake.images[4] = image_xml(4, state=ERROR, template={"ERROR": "no room"})
        result = type_in("oneimage", "clone", "3", "mine", "--wait")
        assert (result.stdout, result.exit_code) == ("ID: 4\n", 255)


class TestList:
    def test_the_columns_of_today(self, fake, type_in):
        fake.images[4] = image_xml(4, "data", type=2, state=8, persistent=1, vms=(7,), size=20480)
        header, newest, oldest = type_in("oneimage", "list").stdout.splitlines()
        assert header.split() == ["ID", "USER", "GROUP", "NAME", "DATASTORE", "SIZE", "TYPE", "PER", "STAT", "RVMS"]
        assert newest.split() == ["4", "oneadmin", "oneadmin", "data", "default", "20G", "DB", "Yes", "used", "1"]
        assert oldest.split() == ["3", "oneadmin", "oneadmin", "debian", "default", "2.2G", "OS", "No", "rdy", "0"]

    def test_filter_columns_and_progress(self, fake, type_in):
        fake.images[4] = image_xml(4, "new", state=LOCKED, template={"PROGRESS": "45 %"})
        line = type_in("oneimage", "list", "-f", "STAT=lock", "-l", "NAME,PROGRESS,FORMAT", "--no-header").stdout
        assert line.split() == ["new", "45", "%", "qcow2"]

    def test_whose_and_json(self, fake, type_in):
        found = json.loads(type_in("oneimage", "list", "m", "-j").stdout)
        assert found["IMAGE_POOL"]["IMAGE"][0]["NAME"] == "debian"
        assert fake.called("one.imagepool.info") == [[-3, *FIRST_PAGE]]


class TestShow:
    def test_everything_is_told(self, fake, type_in):
        snapshot = (
            "<SNAPSHOT><ACTIVE>YES</ACTIVE><DATE>1000</DATE><ID>0</ID><NAME>clean</NAME><PARENT>-1</PARENT>"
            "<SIZE>20480</SIZE></SNAPSHOT>"
        )
        lock = "<LOCK><LOCKED>1</LOCKED><OWNER>0</OWNER><TIME>1</TIME><REQ_ID>-1</REQ_ID></LOCK>"
        fake.images[3] = image_xml(
            3, vms=(7, 9), snapshots=snapshot, lock=lock, template={"DESCRIPTION": "stable"}, persistent=1, state=8
        )
        said = [" ".join(line.split()) for line in type_in("oneimage", "show", "debian").stdout.splitlines()]
        for line in (
            "DATASTORE : default (1)",
            "TYPE : OS",
            "STATE : USED_PERS",
            "SIZE : 2.2G",
            "PERSISTENT : yes: what a VM writes stays in it",
            "LOCK : all, by user 0",
            "VMS : 7,9",
            'DESCRIPTION="stable"',
        ):
            assert line in said
        assert any(line.startswith("=> 0 - ") and line.endswith("20G clean") for line in said)

    def test_an_error_comes_with_what_to_do(self, fake, type_in):
        fake.images[3] = image_xml(3, state=ERROR, template={"ERROR": "no such file"})
        said = type_in("oneimage", "show", "3").stdout
        assert "no such file" in said
        assert "oneimage delete 3" in said

    def test_as_json_and_xml(self, type_in):
        assert json.loads(type_in("oneimage", "show", "3", "-j").stdout)["IMAGE"]["NAME"] == "debian"
        assert "<NAME>debian</NAME>" in type_in("oneimage", "show", "3", "-x").stdout


def test_words_of_2010_say_what_they_are_called_today(type_in):
    assert "oneimage chmod IMAGE 644" in type_in("oneimage", "publish", "3").stderr


@pytest.mark.parametrize(
    ("filters", "shown"), [("SIZE>2G", "3\n"), ("SIZE>30G", ""), ("SIZE<3000000", "3\n"), ("SIZE<2200", "")]
)
def test_sizes_are_compared_as_the_help_says(type_in, filters, shown):
    assert type_in("oneimage", "list", "-l", "ID", "--no-header", "-f", filters).stdout.replace(" ", "") == shown


@pytest.mark.parametrize(
    "text", ["User [0] : IMAGE is locked. [3].", "User [2] : Not authorized to perform MANAGE IMAGE [3]. It is locked."]
)
def test_a_lock_is_to_be_taken_away(fake, type_in, text):
    fake.answers("one.image.delete", Refusal(text, 0x0200, 3))
    assert '"oneimage unlock 3"' in type_in("oneimage", "delete", "3").stderr


def test_what_is_missing_is_looked_for_where_it_is_listed(fake, type_in):
    fake.answers("one.image.allocate", Refusal("[one.image.allocate] Error getting datastore [77].", 0x0400, 77))
    told = type_in("oneimage", "create", "--name", "x", "--path", "/srv/x", "-d", "77").stderr
    assert 'see "onedatastore list" for what there is' in told


def test_a_snapshot_that_is_no_number_is_looked_for_in_the_image(type_in):
    assert 'see "oneimage show IMAGE"' in type_in("oneimage", "snapshot-delete", "3", "x").stderr
