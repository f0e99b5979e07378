"""What can go wrong with a call, as the client sees it."""


class ClientError(Exception):
    """A call brought no result; the text says what to do next."""


class ApiError(ClientError):
    """The engine understood the call and refused it.

    Attributes:
        message: the engine's text.
        code: of the error (reference/api-modern.md §2).
        object_id: what it is about, -1 for nothing.
    """

    def __init__(self, message: str, code: int, object_id: int = -1) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.object_id = object_id


class ApiFault(ClientError):
    """The engine did not understand the call: an unknown method, wrong types.

    Attributes:
        code: of the fault.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class EngineUnreachable(ClientError):
    """Nobody answers at the endpoint, or not within the time, or not with the API.

    Attributes:
        sent: whether the call may have reached an engine, so that what it asks may have happened.
    """

    def __init__(self, message: str, sent: bool = False) -> None:
        super().__init__(message)
        self.sent = sent


class NoSession(ClientError):
    """There is no session string to call with."""
