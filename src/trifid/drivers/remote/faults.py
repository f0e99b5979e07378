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
