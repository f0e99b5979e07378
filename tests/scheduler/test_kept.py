"""Pools that are read again as far as they have changed, and always as if they were read whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trifid.scheduler.kept import MISFITS_MAX, KeptPool
from trifid.wire.elements import BadDocument, iter_elements


class Reader:
    """Reads hosts as (id, text) and remembers what it was given."""

    def __init__(self) -> None:
        self.given: list[str] = []

    def __call__(self, document):
        self.given.append(document)
        return [(one["ID"], one.get("T", "")) for one in iter_elements(document, "HOST")]


def host(number, text=""):
    return f"<HOST><ID>{number}</ID><T><![CDATA[{text}]]></T></HOST>"


def pool(*hosts):
    return f"<HOST_POOL>{''.join(hosts)}</HOST_POOL>"


def test_only_what_has_changed_is_read_again():
    read = Reader()
    kept = KeptPool("HOST", read)
    kept.read(pool(host(1), host(2), host(3)))
    read.given.clear()
    assert kept.read(pool(host(3), host(2, "new"))) == [("3", ""), ("2", "new")]
    assert read.given == [host(2, "new")]


def test_what_is_gone_is_forgotten():
    read = Reader()
    kept = KeptPool("HOST", read)
    kept.read(pool(host(1)))
    kept.read(pool())
    read.given.clear()
    kept.read(pool(host(1)))
    assert read.given == [host(1)]


@pytest.mark.parametrize("text", ["</HOST>", "</HOST><HOST>", "<HOST><ID>9</ID></HOST>", "</HOST_POOL>", "]] </HOST>"])
def test_the_end_of_a_document_in_a_value_is_not_its_end(text):
    kept = KeptPool("HOST", Reader())
    for _ in range(2):
        assert kept.read(pool(host(1), host(2, text), host(3))) == [("1", ""), ("2", text), ("3", "")]


def test_a_value_with_many_such_ends_costs_no_more_than_reading_the_whole():
    read = Reader()
    text = "</HOST>" * 10 * MISFITS_MAX
    assert KeptPool("HOST", read).read(pool(host(1, text))) == [("1", text)]
    assert len(read.given) <= MISFITS_MAX + 2


@pytest.mark.parametrize(
    "document",
    [
        "",
        "no document",
        "<HOST_POOL>",
        "<HOST_POOL><HOST></HOST_POOL>",
        "<HOST_POOL><HOST><ID>1</HOST></HOST_POOL>",
        pool(host(1))[:-1],
    ],
)
def test_what_is_no_document_is_refused(document):
    with pytest.raises(BadDocument):
        KeptPool("HOST", Reader()).read(document)


def test_a_pool_in_other_words_is_read_as_a_whole():
    document = f"<?xml version='1.0'?>\n<HOST_POOL>\n{host(1)}\n{host(2)}</HOST_POOL>\n"
    assert KeptPool("HOST", Reader()).read(document) == [("1", ""), ("2", "")]


texts = st.text(alphabet="<>/HOST_P OL![CDA]", max_size=12) | st.sampled_from(["</HOST>", "<HOST>", "</HOST_POOL>"])


@given(st.lists(st.lists(texts, max_size=4), max_size=4))
def test_it_always_reads_what_reading_the_whole_gives(pools):
    kept = KeptPool("HOST", Reader())
    for values in pools:
        document = pool(*(host(number, text.replace("]]>", "")) for number, text in enumerate(values)))
        assert kept.read(document) == Reader()(document)
