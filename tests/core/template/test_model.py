"""A template as data: looked at and made anew, never changed."""

from trifid.core.template.model import Template, template

ONE = template(name="x", disk=[{"source": "/a"}, {"source": "/b"}], cpu="1")


def test_names_and_keys_are_upper_case_and_lists_repeat_an_attribute():
    assert list(ONE) == [("NAME", "x"), ("DISK", {"SOURCE": "/a"}), ("DISK", {"SOURCE": "/b"}), ("CPU", "1")]
    assert len(ONE) == 4


def test_length_counts_the_characters_of_names_keys_and_values():
    assert ONE.length == len("NAMEx") + 2 * len("DISKSOURCE/a") + len("CPU1")
    assert Template().length == 0


def test_look_ups_tell_singles_from_vectors():
    mixed = template(A=["1", {"K": "2"}])
    assert mixed.all("A") == ["1", {"K": "2"}]
    assert mixed.vectors("A") == [{"K": "2"}]
    assert mixed.vector("A") == {"K": "2"}
    assert mixed.single("A") == "1"
    assert mixed.vector("B") == {}
    assert mixed.single("B", "none") == "none"
    assert "A" in mixed and "B" not in mixed


def test_new_templates_are_made_of_old_ones():
    assert list(ONE.having(("A", "1")))[-1] == ("A", "1")
    assert [name for name, _ in ONE.without("DISK", "CPU")] == ["NAME"]
    assert [name for name, _ in ONE.only("CPU", "NAME")] == ["NAME", "CPU"]
    assert len(ONE) == 4


def test_a_replacement_stands_where_the_first_old_one_stood():
    assert [name for name, _ in ONE.replacing("DISK", {"SOURCE": "/c"})] == ["NAME", "DISK", "CPU"]
    assert [name for name, _ in ONE.replacing("NEW", "1", "2")][-2:] == ["NEW", "NEW"]
    assert "DISK" not in ONE.replacing("DISK")


def test_a_merge_replaces_all_of_a_name():
    merged = ONE.merged(template(DISK={"SOURCE": "/z"}, NEW="1"))
    assert list(merged) == [("NAME", "x"), ("CPU", "1"), ("DISK", {"SOURCE": "/z"}), ("NEW", "1")]


def test_by_name_sorts_names_and_keys_and_keeps_repeats_in_order():
    one = template(B="2", A=["z", {"L": "1", "K": "2"}, "y"]).by_name()
    assert [name for name, _ in one] == ["A", "A", "A", "B"]
    assert one.all("A") == ["z", {"K": "2", "L": "1"}, "y"]
    assert list(one.vector("A")) == ["K", "L"]


def test_an_empty_template_is_no_attribute():
    assert Template() == template() and len(Template()) == 0
