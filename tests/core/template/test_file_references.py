"""Files of the catalogue, as templates name them."""

import time

import pytest

from trifid.core.template.file_references import (
    REFERENCES_MAX,
    file_references,
    one_file_reference,
)
from trifid.errors import BadTemplate


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ('$FILE[IMAGE="my file"]', [{"IMAGE": "my file"}]),
        ("$FILE[IMAGE_ID=3]", [{"IMAGE_ID": "3"}]),
        ('$FILE[ IMAGE_ID = "3" ]', [{"IMAGE_ID": "3"}]),
        ("$file[image=kernel-6.1]", [{"IMAGE": "kernel-6.1"}]),
        ('$FILE[IMAGE="a", IMAGE_UNAME="ann"]', [{"IMAGE": "a", "IMAGE_UNAME": "ann"}]),
        ('$FILE[IMAGE_UID=5,IMAGE="a, b"]', [{"IMAGE": "a, b", "IMAGE_UID": "5"}]),
        ('$FILE[IMAGE="a"] $FILE[IMAGE_ID=0]', [{"IMAGE": "a"}, {"IMAGE_ID": "0"}]),
        ('$FILE[IMAGE="a"],$FILE[IMAGE="b"]', [{"IMAGE": "a"}, {"IMAGE": "b"}]),
    ],
)
def test_references_are_read_in_order(text, expected):
    assert file_references(text, "CONTEXT FILES_DS") == expected


@pytest.mark.parametrize(
    "text",
    [
        "/etc/passwd",
        "$FILE",
        "$FILE[]",
        "$FILE[IMAGE]",
        '$FILE[IMAGE=""]',
        '$FILE[IMAGE="a" IMAGE_UID=1]',
        '$FILE[IMAGE="a", IMAGE_ID=1]',
        "$FILE[IMAGE_ID=x]",
        "$FILE[IMAGE_ID=-2]",
        '$FILE[SIZE, IMAGE="a"]',
        '$FILE[NAME="a"]',
        '$FILE[IMAGE="a"',
        '$FILE[IMAGE="a"] and more',
        "$NAME",
    ],
)
def test_anything_else_is_refused_with_the_form(text):
    with pytest.raises(BadTemplate, match=r'^OS KERNEL_DS: expected \$FILE\[IMAGE="name"\] or \$FILE\[IMAGE_ID=3\]'):
        file_references(text, "OS KERNEL_DS")


def test_a_kernel_is_one_file():
    assert one_file_reference("$FILE[IMAGE_ID=3]", "OS KERNEL_DS") == {"IMAGE_ID": "3"}
    with pytest.raises(BadTemplate, match=r"OS KERNEL_DS: expected one .*, found 2"):
        one_file_reference("$FILE[IMAGE_ID=3] $FILE[IMAGE_ID=4]", "OS KERNEL_DS")


def test_there_is_a_limit():
    with pytest.raises(BadTemplate, match=f"{REFERENCES_MAX + 1} files, at most {REFERENCES_MAX} are taken"):
        file_references("$FILE[IMAGE_ID=1] " * (REFERENCES_MAX + 1), "CONTEXT FILES_DS")


def test_a_long_text_takes_no_long_time():
    begun_s = time.process_time()
    with pytest.raises(BadTemplate):
        file_references("$FILE[" * 150_000, "CONTEXT FILES_DS")
    assert time.process_time() - begun_s < 5
