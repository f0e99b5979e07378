"""Documents: what services keep here, under types of their own."""

from xml.etree import ElementTree

import pytest

from tests.methods.world import ADMIN, ALICE, ALICE_ID, BOB, BOB_ID, EVE, Refusal
from trifid.core.access import Permissions
from trifid.core.document import Document
from trifid.core.template.model import template
from trifid.core.template.scanner import TEXT_LENGTH_MAX

SERVICE, SERVICE_TEMPLATE = 100, 101


async def made(world, text='NAME=web\nBODY="{}"', kind=SERVICE, session=ALICE):
    return await world.ask(session, "one.document.allocate", text, kind)


async def test_a_document_is_kept_with_its_type_and_read_back(world):
    number = await made(world)
    assert world.memory.documents[number] == Document(number, ALICE_ID, 1, "web", SERVICE, template=template(BODY="{}"))
    told = await world.ask(ALICE, "one.document.info", number)
    assert "<NAME>web</NAME><TYPE>100</TYPE>" in told
    assert "<BODY><![CDATA[{}]]></BODY>" in told


async def test_ids_count_from_0_and_are_not_given_again(world):
    assert await made(world) == 0
    await world.ask(ALICE, "one.document.delete", 0)
    assert await made(world) == 1


async def test_names_need_not_be_given_nor_be_unique(world):
    first, second, third = await made(world), await made(world), await made(world, "BODY=x")
    names = [world.memory.documents[one].name for one in (first, second, third)]
    assert names == ["web", "web", f"document-{third}"]
    await world.ask(ALICE, "one.document.delete", first)
    await world.ask(ALICE, "one.document.rename", third, "web")
    assert world.memory.documents[third].name == world.memory.documents[second].name


async def test_a_list_is_of_one_type_which_is_mandatory_and_newest_first(world):
    first, other, second = await made(world), await made(world, kind=SERVICE_TEMPLATE), await made(world)
    listed = await world.ask(ALICE, "one.documentpool.info", -2, -1, -1, SERVICE)
    assert listed.index(f"<ID>{second}</ID>") < listed.index(f"<ID>{first}</ID>")
    assert f"<ID>{other}</ID>" not in listed
    page = await world.ask(ALICE, "one.documentpool.info", -2, 1, -1 - 1, SERVICE)
    assert (f"<ID>{first}</ID>" in page, f"<ID>{second}</ID>" in page) == (True, False)
    assert await world.ask(EVE, "one.documentpool.info", -2, -1, -1, SERVICE) == "<DOCUMENT_POOL></DOCUMENT_POOL>"
    assert await world.code(ALICE, "one.documentpool.info", -9, -1, -1, SERVICE) == 0x1000


async def test_it_is_replaced_extended_cloned_and_deleted_by_who_may(world):
    number = await made(world)
    await world.ask(ALICE, "one.document.update", number, "NAME=other\nSTATE=2", 1)
    assert world.memory.documents[number].template == template(BODY="{}", STATE="2")
    assert world.memory.documents[number].name == "web"
    await world.ask(ALICE, "one.document.update", number, "STATE=3", 0)
    assert world.memory.documents[number].template == template(STATE="3")
    assert await world.code(BOB, "one.document.clone", number, "his") == 0x0200
    await world.change("documents", number, permissions=Permissions(0o604))
    copy = world.memory.documents[await world.ask(BOB, "one.document.clone", number, "his")]
    assert (copy.uid, copy.name, copy.type, copy.template) == (BOB_ID, "his", SERVICE, template(STATE="3"))
    assert await world.code(BOB, "one.document.delete", number) == 0x0200
    assert await world.code(ALICE, "one.document.delete", number) == 0
    assert await world.code(ALICE, "one.document.info", number) == 0x0400


@pytest.mark.parametrize(
    ("text", "kind", "code"),
    [
        ("BODY=[", SERVICE, 0x2000),
        ("NAME=<b>", SERVICE, 0x2000),
        (f"NAME={'n' * 129}", SERVICE, 0x2000),
        ("X=1", -1, 0x1000),
        (f"BODY={'x' * TEXT_LENGTH_MAX}", SERVICE, 0x2000),
    ],
    ids=["no template", "no name", "long name", "no type", "too long"],
)
async def test_what_cannot_be_kept_is_told_and_nothing_is(world, text, kind, code):
    assert await world.code(ALICE, "one.document.allocate", text, kind) == code
    assert world.memory.documents == {}


async def test_updates_do_not_let_it_grow_beyond_what_one_text_may_be(world):
    number = await made(world, f"A={'x' * (TEXT_LENGTH_MAX // 2)}")
    with pytest.raises(Refusal, match="characters together"):
        await world.ask(ALICE, "one.document.update", number, f"B={'x' * (TEXT_LENGTH_MAX // 2)}", 1)


async def test_a_locked_document_is_seen_and_not_copied(world):
    number = await made(world)
    await world.ask(ALICE, "one.document.lock", number, 4)
    assert "<LOCK><LOCKED>1</LOCKED>" in await world.ask(ALICE, "one.document.info", number)
    for session in (ALICE, ADMIN):
        assert await world.code(session, "one.document.clone", number, "copy") == 0x0200
        assert await world.code(session, "one.document.delete", number) == 0x0200


BODIES = [
    '{"name":"web","roles":[{"cardinality":2,"vm_template":3,"elasticity_policies":[]}]}',
    '{"text":"a < b && \\"c\\" > d\\n\\u00e9 é 漢","path":"C:\\\\x"}',
    '{\n  "indented": true\n}',
    "  blanks at both ends  ",
]


@pytest.mark.parametrize("body", BODIES)
async def test_the_json_of_a_service_manager_comes_back_as_it_was(world, body):
    """Upstream's service manager sends its state as XML with one CDATA section, BODY."""
    number = await made(world, f"<TEMPLATE><NAME>web</NAME><BODY><![CDATA[{body}]]></BODY></TEMPLATE>")
    document = ElementTree.fromstring(await world.ask(ALICE, "one.document.info", number))
    assert document.findtext("TEMPLATE/BODY") == body
    await world.ask(ALICE, "one.document.update", number, f"<TEMPLATE><BODY><![CDATA[{body}]]></BODY></TEMPLATE>", 0)
    document = ElementTree.fromstring(await world.ask(ALICE, "one.document.info", number))
    assert (document.findtext("NAME"), document.findtext("TEMPLATE/BODY")) == ("web", body)
