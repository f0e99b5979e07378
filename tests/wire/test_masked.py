"""Secrets do not leave with documents and templates."""

import time

import pytest

from trifid.wire.masked import MASK, is_secret, masked

SECRET = "correct horse"


@pytest.mark.parametrize(
    "text",
    [
        f"<CONTEXT><PASSWORD><![CDATA[{SECRET}]]></PASSWORD></CONTEXT>",
        f"<ROOT_PASSWORD>{SECRET}</ROOT_PASSWORD>",
        f'CONTEXT = [ PASSWORD = "{SECRET}", X = "1" ]',
        f'SECRET="{SECRET}"\nNAME=x',
        f"login_token = {SECRET}",
        f'PRIVATE_KEY="{SECRET}\nmore"',
        f'API_KEY="\\"{SECRET}"',
        f'PASSWORD="{SECRET}',
        f'{{"db_password": "a\\\\\\"{SECRET}", "x": 1}}',
        f'BODY="{{\\\\"token\\\\": \\\\"{SECRET}\\\\"}}"',
    ],
)
def test_what_stands_behind_the_name_of_a_secret_is_masked(text):
    told = masked(text)
    assert SECRET not in told
    assert MASK in told


@pytest.mark.parametrize(
    "text",
    [
        "<VM><NAME>web</NAME></VM>",
        'NAME = "a=b"\nCPU=1',
        "",
        "no template",
        "<A><![CDATA[x<PASSWORD]]></A>",
        '{"name": "password"}',
    ],
)
def test_everything_else_is_as_it_was(text):
    assert masked(text) == text


def test_an_argument_is_a_secret_by_its_name():
    assert is_secret("password")
    assert is_secret("token")
    assert not is_secret("template")


@pytest.mark.parametrize(
    "text",
    [
        "A" * 2_000_000 + "=1",
        "A = " + "PASSWORD" * 100_000,
        "<" + "PASSWORD" * 100_000,
        '"' + "TOKEN" * 100_000 + ":",
        "<PASSWORD><![CDATA[" * 50_000,
        "<PASSWORD><![CDATA[" * 50_000 + "]]>",
        "<![CDATA[<PASSWORD>]]>" * 50_000,
        "<PASSWORD>x" * 50_000,
        "a:" + "\\" * 1_000_000,
        "TOKEN" + " " * 1_000_000 + ":",
        "TOKEN" + " " * 1_000_000 + "=",
    ],
    ids=lambda text: text[:24],
)
def test_a_long_text_takes_no_long_time(text):
    begun_s = time.process_time()
    assert masked(text) == text
    assert time.process_time() - begun_s < 5


def test_a_value_may_be_of_several_pieces():
    text = f"<PASSWORD>a<![CDATA[<{SECRET}>]]>b<![CDATA[{SECRET}]]></PASSWORD><A>{MASK}</A><TOKEN>x</TOKEN>"
    assert masked(text) == f"<PASSWORD>{MASK}</PASSWORD><A>{MASK}</A><TOKEN>{MASK}</TOKEN>"


def test_the_names_of_one_secret_hide_no_other_one():
    assert masked("<PASSWORD><TOKEN>x</TOKEN></PASSWORD>") == f"<PASSWORD><TOKEN>{MASK}</TOKEN></PASSWORD>"
