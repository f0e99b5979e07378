"""What goes wrong on the way to a host, or there."""

from trifid.drivers.kit import Failure


class ConnectionLost(Failure):
    """The host is not reached, or no longer: whether the command was carried out is not known."""


class CommandFailed(Failure):
    """The command ended with a status other than 0; the text is what it said.

    Attributes:
        status: exit status, 128 + the signal when it was killed.
    """

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


def explained(name: str, said: str) -> str:
    """Return in one line what ssh said about a host that it does not reach, with what to do where that is known."""
    for sign, advice in _ADVICE:
        if sign in said:
            return advice.format(name=name)
    return "; ".join(line.strip() for line in said.splitlines() if line.strip())


_ADVICE = (
    (
        "HOST IDENTIFICATION HAS CHANGED",
        "its ssh key is another one than the known one: somebody may stand in its place.  If it was given a new one, "
        "compare the fingerprint there and accept it: onehost accept-key {name} --replace",
    ),
    (
        "host key is known for",
        "its ssh key is not known: compare the fingerprint there and accept it: onehost accept-key {name}",
    ),
)
