"""Access rules as hexadecimal words and as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trifid.core.access import Right
from trifid.core.acl import ALL, CLUSTER, CLUSTERED, GROUP, ID_MAX, INDIVIDUAL, KINDS, Words, words
from trifid.core.acl_text import THIS_ZONE, check_words, number, parse_rule, readable
from trifid.errors import NotAllocated

IDS = st.integers(0, ID_MAX)
WHO = st.one_of(st.just(ALL), IDS.map(lambda n: INDIVIDUAL | n), IDS.map(lambda n: GROUP | n))
SOME_KINDS = st.lists(st.sampled_from(list(KINDS)), min_size=1, unique=True).map("+".join)
RIGHTS = st.integers(1, sum(Right))
ZONE = st.sampled_from([ALL, THIS_ZONE])


@given(st.builds(words, WHO, SOME_KINDS, WHO, RIGHTS, ZONE))
def test_what_is_shown_reads_back_as_the_same_rule(said):
    check_words(said)
    assert parse_rule(readable(said)) == said


@pytest.mark.parametrize(
    ("text", "hexadecimal"),
    [
        ("#5 VM/#7 USE #0", ("100000005", "1100000007", "1", "100000000")),
        ("@106 IMAGE/#31 USE *", ("20000006a", "810000001f", "1", "400000000")),
        ("* SECGROUP/@1 USE+MANAGE *", ("400000000", "1000200000001", "3", "400000000")),
        ("#3 HOST+NET+DATASTORE/%101 ADMIN *", ("100000003", "106800000065", "4", "400000000")),
        ("@1 BACKUPJOB/* CREATE *", ("200000001", "100000400000000", "8", "400000000")),
    ],
)
def test_words_and_text_are_those_of_the_reference(text, hexadecimal):
    said = Words(*(number(word, "user") for word in hexadecimal))
    assert readable(said) == text
    assert parse_rule(text) == said


def test_a_rule_written_by_hand_may_leave_out_the_zone_and_be_in_small_letters():
    assert parse_rule("@1 vm+image/* use+create") == words(GROUP | 1, "VM+IMAGE", ALL, Right.USE | Right.CREATE)


def test_names_stand_where_ids_may():
    known = {("GROUP", "staff"): 100, ("USER", "alice"): 10, ("IMAGE", "disk"): 7, ("CLUSTER", "far"): 101}
    assert parse_rule("@staff IMAGE/#disk USE", lambda *asked: known[asked]) == parse_rule("@100 IMAGE/#7 USE")
    assert parse_rule("#alice HOST/%far USE", lambda *asked: known[asked]) == parse_rule("#10 HOST/%101 USE")
    with pytest.raises(ValueError, match="staff is not an id"):
        parse_rule("@staff VM/* USE")


@pytest.mark.parametrize(
    "text",
    [
        *("", "@1", "@1 VM/*", "@1 VM/* USE * *", "1 VM/* USE", "@ VM/* USE", "%1 VM/* USE", "@1 VM USE", "@1 VM/ USE"),
        *(
            "@1 TREE/* USE",
            "@1 VM+/* USE",
            "@1 VM/* FLY",
            "@1 VM/* ",
            "@1 VM/%0 USE",
            "@1 VM/* USE @1",
            "@1 VM/* USE #7",
        ),
        *(f"@{ID_MAX + 1} VM/* USE", "@-1 VM/* USE", "@١ VM/* USE", "*1 VM/* USE"),
    ],
)
def test_what_is_no_rule_is_refused(text):
    with pytest.raises(ValueError):
        parse_rule(text)


def test_a_malformed_rule_is_told_as_the_reference_says():
    with pytest.raises(NotAllocated) as refusal:
        check_words(Words(1, 1, 1, THIS_ZONE))
    told = "Rule ?? /?? USE #0 is malformed: [user] is missing one of the INDIVIDUAL, GROUP or ALL bits; [resource] is "
    assert refusal.value.message.startswith(f"{told}missing one of the INDIVIDUAL, GROUP, CLUSTER")
    assert refusal.value.code == 0x2000


GOOD = parse_rule("@1 VM/#5 USE")


@pytest.mark.parametrize(
    ("field", "word", "told"),
    [
        ("user", INDIVIDUAL | GROUP, "more than one"),
        ("user", CLUSTER | 1, "is missing one of the INDIVIDUAL"),
        ("user", ALL | 5, "an id and the ALL bit"),
        ("user", GROUP | 1 << 40, "bits that mean nothing"),
        ("user", GROUP | 1 << 31, "greater than"),
        ("resource", KINDS["VM"], "is missing one of the INDIVIDUAL, GROUP, CLUSTER"),
        ("resource", ALL, "names no kind"),
        ("resource", KINDS["VM"] | ALL | INDIVIDUAL, "more than one"),
        ("resource", KINDS["VM"] | ALL | 1 << 63, "bits that mean nothing"),
        ("resource", KINDS["VM"] | KINDS["HOST"] | CLUSTER, "are in clusters"),
        ("rights", 0, "is missing one of USE"),
        ("rights", 16, "no right"),
        ("rights", 17, "no right"),
        ("zone", 0, "[zone] is missing one of the INDIVIDUAL or ALL"),
        ("zone", GROUP, "[zone] is missing one of the INDIVIDUAL or ALL"),
        ("zone", INDIVIDUAL | 1, "there is zone 0 only"),
    ],
)
def test_words_that_mean_nothing_are_refused(field, word, told):
    check_words(GOOD)
    with pytest.raises(NotAllocated) as refusal:
        check_words(Words(**{**{name: getattr(GOOD, name) for name in Words.__struct_fields__}, field: word}))
    assert told in refusal.value.message


def test_rules_about_clusters_are_for_what_is_in_clusters():
    for kind in CLUSTERED:
        check_words(words(ALL, kind, CLUSTER | 100, Right.USE))


@pytest.mark.parametrize("text", ["", "0x", "g", "-1", "1 ", " 1", "1_0", "1" * 17, "١", "1\n", "0x" + "f" * 17])
def test_what_is_no_hexadecimal_number_of_64_bits_is_refused(text):
    with pytest.raises(NotAllocated, match=r"\[user\] is not a hexadecimal number"):
        number(text, "user")


def test_hexadecimal_numbers_are_taken_in_both_cases_with_and_without_prefix():
    assert [number(text, "user") for text in ("ff", "FF", "0xff", "0XFF", "f" * 16)] == [255] * 4 + [2**64 - 1]
