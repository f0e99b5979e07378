"""From the text of a template to an image: what each attribute takes, and what is refused by its name."""

import pytest

from trifid.core.image.datastore import Datastore, DatastoreType
from trifid.core.image.define import Owner, define, updated
from trifid.core.image.record import DiskType, ImageState, ImageType
from trifid.core.restricted_lists import OF_IMAGE
from trifid.core.template.scanner import parse
from trifid.errors import BadTemplate, NotAllowed

IMAGES = Datastore(1, 0, 0, "default", DatastoreType.IMAGE, "fs", "shared")
FILES = Datastore(2, 0, 0, "files", DatastoreType.FILE, "fs", "shared")
VOLUMES = Datastore(3, 0, 0, "volumes", DatastoreType.IMAGE, "lvm", "lvm", disk_type=DiskType.BLOCK)
ADMIN, USER = Owner(0, 0, is_admin=True, restricted=OF_IMAGE), Owner(7, 1, is_admin=False, restricted=OF_IMAGE)


def image(text, datastore=IMAGES, owner=USER):
    """Return the image that a text describes, called x."""
    return define(parse(f"NAME=x\n{text}"), datastore=datastore, owner=owner, image_id=3, now=1000)


def test_a_template_of_today_becomes_fields_and_attributes():
    made = image('PATH=/var/tmp/a.img\nDESCRIPTION="a b"\nDEV_PREFIX=vd\nFORMAT=QCOW2\nPERSISTENT=yes\nSIZE=10')
    assert (made.id, made.uid, made.gid, made.name, made.state) == (3, 7, 1, "x", ImageState.LOCKED)
    assert (made.type, made.format, made.is_persistent, made.size_mib) == (ImageType.OS, "qcow2", True, 10)
    assert dict(made.template) == {"DESCRIPTION": "a b", "DEV_PREFIX": "vd"}
    assert (made.regtime, made.modtime) == (1000, 1000)


def test_a_template_of_2010_is_understood():
    made = image("TYPE=DATABLOCK\nPUBLIC=YES\nPERSISTENT=NO\nSIZE=5\nFSTYPE=ext3\nBUS=scsi")
    assert (made.type, made.fs, made.permissions.bits) == (ImageType.DATABLOCK, "ext3", 0o644)
    assert image("SIZE=5\nFSTYPE=qcow2").format == "qcow2"
    assert image("SIZE=5\nFSTYPE=raw").fs == ""


def test_how_a_hypervisor_sees_it_comes_from_the_type_and_the_datastore():
    assert image("SIZE=5").disk_type is DiskType.FILE
    assert image("TYPE=CDROM\nPATH=/a.iso").disk_type is DiskType.CD_ROM
    assert image("SIZE=5", VOLUMES).disk_type is DiskType.BLOCK
    assert image("TYPE=KERNEL\nPATH=/vmlinuz", FILES).disk_type is DiskType.FILE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("TYPE=BACKUP\nSIZE=1", "TYPE must be one of OS, CDROM, DATABLOCK, KERNEL, RAMDISK, CONTEXT"),
        ("SIZE=0", "Cannot parse image SIZE: Wrong number or missing SIZE attribute."),
        ("SIZE=4G", "without a unit"),
        ("SIZE=1\nPERSISTENT=maybe", 'PERSISTENT must be YES or NO, is "maybe"'),
        ("SIZE=1\nFORMAT=vmdk", "FORMAT must be one of raw, qcow2"),
        ("SIZE=1\nFORMAT=raw\nDRIVER=qcow2", "FORMAT and DRIVER tell different formats"),
        ("SIZE=1\nFS=ntfs", "FS must be one of"),
        ("PATH=/a\nFS=ext4", "FS is of images that are made empty"),
        ("SIZE=1\nDEV_PREFIX=nvme", "DEV_PREFIX must be"),
        ("SIZE=1\nBUS=pci", "BUS must be one of"),
        ("SIZE=1\nCACHE=fast", "CACHE must be one of"),
        ("SIZE=1\nIO=aio", "IO must be one of"),
        ("SIZE=1\nDISCARD=yes", "DISCARD must be one of unmap, ignore"),
        ("SIZE=1\nTARGET=nvme0", "TARGET must be a device name"),
        ("SIZE=1\nCACHE=[MODE=none]", "CACHE must be a single value, is a vector"),
        ("SIZE=1\nMD5=xyz", "MD5 must be 32 hexadecimal digits"),
        ("SIZE=1\nSHA1=abc", "SHA1 must be 40 hexadecimal digits"),
        ("SIZE=1\nSHA256=abc", "SHA256 must be 64 hexadecimal digits"),
        ("SIZE=[A=1]", "SIZE must be a single value, is a vector"),
        ("SIZE=1\nPERSISTENT_TYPE=SHAREABLE", "PERSISTENT_TYPE is not supported"),
        ("TYPE=CDROM\nSIZE=1", "CDROM images need a PATH"),
        ("PATH=relative.img", "PATH must be absolute"),
        ("PATH=host:/a.img", "PATH must be absolute"),
        ("PATH=ftp://host/a.img", "PATH must be absolute"),
        ('PATH="upload:a/b"', "PATH must be absolute"),
        ('PATH="upload:.hidden"', "PATH must be absolute"),
        ("PATH=/a/../b", "PATH must be absolute"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(text, said):
    with pytest.raises(BadTemplate, match=said.replace(".", r"\.")):
        image(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("TYPE=KERNEL", "KERNEL images need a PATH"),
        ("TYPE=CONTEXT\nPATH=/a\nPERSISTENT=YES", "must be non-persistent"),
        ("TYPE=RAMDISK\nPATH=/a\nFORMAT=qcow2", "FORMAT must be raw"),
    ],
)
def test_files_are_plain_and_come_from_somewhere(text, said):
    with pytest.raises(BadTemplate, match=said):
        image(text, FILES)


def test_source_is_an_administrators_to_name_with_all_that_must_be_known():
    made = image("SOURCE=/srv/a.qcow2\nFORMAT=qcow2\nSIZE=9", owner=ADMIN)
    assert (made.source, made.path, made.format) == ("/srv/a.qcow2", "", "qcow2")
    with pytest.raises(NotAllowed, match="restricted attribute SOURCE"):
        image("SOURCE=/srv/a.qcow2\nFORMAT=qcow2\nSIZE=9")
    for text, said in (
        ("SOURCE=/srv/a\nSIZE=9", "FORMAT is missing"),
        ("SOURCE=/srv/a\nFORMAT=raw", "Cannot parse image SIZE"),
        ("SOURCE=/srv/a\nPATH=/srv/b", "mutually exclusive"),
        ("SOURCE=nbd://host/a\nFORMAT=raw\nSIZE=9", "SOURCE must be an absolute path"),
    ):
        with pytest.raises(BadTemplate, match=said):
            image(text, owner=ADMIN)


def test_what_the_engine_tells_is_not_taken_from_a_template():
    made = image("SIZE=1\nPROGRESS=half\nRESIZE_TO_MB=99\nX=1")
    assert dict(made.template) == {"X": "1"}
    assert dict(updated(made, parse("PROGRESS=half\nRESIZE_TO_MB=99\nSIZE=7"), USER).template) == {}
