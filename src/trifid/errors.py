"""The whole failure vocabulary: what can be answered to a caller, and with which code.

Each class knows its code of the API (reference/xmlrpc.md §1) and nothing else about protocols.
Messages name the object, what is, what was wanted and what to do; lower case after the name,
no full stop.  Where today's clients match a text, it is kept to the letter.
"""


class TrifidError(Exception):
    """Something that a caller is told; never a bug of ours."""

    code = 0x2000

    def __init__(self, message: str, object_id: int = -1) -> None:
        super().__init__(message)
        self.message = message
        self.object_id = object_id


class NotAuthenticated(TrifidError):
    """The session string names no user, or the secret is wrong."""

    code = 0x0100


class NotAllowed(TrifidError):
    """The caller is known and may not do this."""

    code = 0x0200


class NotFound(TrifidError):
    """An object named by its id does not exist.  The message is the object words only."""

    code = 0x0400


class Refused(TrifidError):
    """The object's state, or something else about the world, does not allow this."""

    code = 0x0800


class NotSupported(TrifidError):
    """A method of the API that is not built; the message says what to do instead (methods/not_supported.py)."""

    code = 0x0800


class BadRequest(TrifidError):
    """An argument is outside what the method accepts (filter, state, update type)."""

    code = 0x1000


class Internal(TrifidError):
    """A bug of ours: the change was rolled back and the story is in the log."""

    code = 0x2000


class BadTemplate(TrifidError):
    """A template does not parse, or one of its values is not what its attribute takes.

    Code 0x2000 in allocate calls; update calls answer it as 0x0800 (api-modern.md §7.5).
    """

    code = 0x2000


class NotAllocated(TrifidError):
    """The pool refuses a new object.

    Code 0x2000 and the bare text for most objects; hosts, clusters and images answer 0x4000 with a
    prefix, which their methods add (api-modern.md §2).
    """

    code = 0x2000


class NoLease(TrifidError):
    """No free address, or the asked one is taken or outside every range."""

    code = 0x2000


class Locked(TrifidError):
    """The object is locked against this kind of operation."""

    code = 0x0200


class DriverFault(Exception):
    """A driver process said something that is not a message, or nothing at all.

    Not an answer to a caller: it becomes an event of the engine.  The text quotes the driver.
    """
