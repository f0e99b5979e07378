"""What the tests of the API's contract begin with."""

from tests.methods.conftest import world  # noqa: F401
