"""What a command that makes or changes something has to tell, as data: the objects, and what else was said."""

from typing import Any

from trifid.cli.failure import Failure
from trifid.cli.forms import text_of


class Answer:
    """Collects while a command runs what is written at its end.

    Args:
        command: such as `onevm create`.
        form: xml, json or yaml.
    """

    def __init__(self, command: str, form: str) -> None:
        self.form = form
        self._command = command
        self._objects: dict[tuple[str, int], dict[str, Any]] = {}
        self._said: list[str] = []

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be told."""
        return not self._objects and not self._said

    def add(self, kind: str, object_id: int, state: str = "") -> None:
        """Note an object that was made, changed or removed; later also the state that it came to."""
        one = self._objects.setdefault((kind, object_id), {"kind": kind, "id": object_id})
        if state:
            one["state"] = state

    def say(self, text: str) -> None:
        """Note a result that is a text, such as a token."""
        self._said += text.splitlines()

    def text(self, *, is_done: bool) -> str:
        """Return the whole of it.

        Args:
            is_done: nothing failed.
        """
        found = {"command": self._command, "done": is_done, "objects": list(self._objects.values()), "text": self._said}
        return text_of(found, self.form, "ANSWER")


def told_of(failure: Failure, form: str) -> str:
    """Return a failure as data, JSON on one line."""
    found: dict[str, Any] = {"error": failure.text}
    if failure.next:
        found["next"] = failure.next
    if failure.code:
        found["code"] = failure.code
    if failure.object_id >= 0:
        found["id"] = failure.object_id
    if form == "json":
        import json

        return json.dumps(found, ensure_ascii=False)
    return text_of(found, form, "FAILURE")
