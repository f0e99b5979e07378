"""Templates as Hypothesis makes them: every character that XML carries, and above all the awkward ones."""

from hypothesis import strategies as st

from trifid.core.template.model import Template

AWKWARD = st.sampled_from(
    ["", " ", "\\", '"', "'", "<", ">", "&", "]]", "#", "=", ",", "[", "]", "\n", "\r", "\r\n", "\t", "é", "\U0001f600"]
)
CHARACTERS = st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff")
VALUES = st.lists(st.one_of(AWKWARD, CHARACTERS, st.sampled_from(["a", "$NIC[IP]", "/x"])), max_size=6).map("".join)
VALUES = VALUES.filter(lambda value: "]]>" not in value)

# An attribute that is called like a document is taken for that document by the schemas of tests/xsd.
DOCUMENTS = ("VM", "HOST", "VNET", "USER", "GROUP")
NAMES = st.from_regex(r"[A-Z_][A-Z0-9_]{0,5}", fullmatch=True).filter(lambda name: name not in DOCUMENTS)
VECTORS = st.dictionaries(NAMES, VALUES, min_size=1, max_size=3)
TEMPLATES = st.lists(st.tuples(NAMES, st.one_of(VALUES, VECTORS)), max_size=5).map(lambda pairs: Template(tuple(pairs)))
