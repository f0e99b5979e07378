"""The API client: calls over one kept connection.

client = Client(*from_environment())
document = client.call("one.vm.info", 3)
"""

from typing import Any
from urllib.parse import SplitResult, urlsplit

from trifid.client.errors import ApiError, ApiFault, ClientError, EngineUnreachable
from trifid.client.http import Connection
from trifid.wire.xmlrpc import BadXmlRpc, XmlRpcFault, decode_answer, encode_call

TIMEOUT_S = 60.0
_CONTENT_TYPE = "text/xml; charset=utf-8"
_QUOTED_MAX = 300
_TLS_ADVICE = "engines speak HTTP without TLS: see the proxy with TLS before it, or set ONE_XMLRPC to http://…"


class Client:
    """Calls the API of one engine as one user.

    Not for several threads at once.  A call is sent once and never again by itself: what it asked may
    have happened even though the answer was lost.

    Args:
        endpoint: such as http://127.0.0.1:2633/RPC2.
        session: user:secret, the first parameter of every call.
        timeout_s: for connecting and for every wait while the answer comes.
    """

    def __init__(self, endpoint: str, session: str, timeout_s: float = TIMEOUT_S) -> None:
        self.endpoint = endpoint
        self.timeout_s = timeout_s
        self._session = session
        self._url = _split(endpoint)
        self._connection: Connection | None = None

    def call(self, method: str, *args: Any) -> Any:
        """Return the result of a method: a text, a number, a boolean or a list.

        Raises:
            ApiError: the engine refused.
            ApiFault: it did not understand.
            EngineUnreachable: no engine answers; `sent` tells whether the call may have been carried out.
        """
        try:
            answer = decode_answer(self._post(encode_call(method, (self._session, *args))))
        except XmlRpcFault as fault:
            raise ApiFault(f"{method}: {fault.text} (fault {fault.code})", fault.code) from None
        except BadXmlRpc as bad:
            raise EngineUnreachable(f"{self.endpoint} answers, but not with XML-RPC: {bad}", sent=True) from None
        return self._result(answer)

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _result(self, answer: Any) -> Any:
        if isinstance(answer, list) and answer and answer[0] is True:
            return answer[1] if len(answer) > 1 else None
        if isinstance(answer, list) and len(answer) > 1 and answer[0] is False:
            code = answer[2] if len(answer) > 2 and type(answer[2]) is int else 0
            object_id = answer[3] if len(answer) > 3 and type(answer[3]) is int else -1
            raise ApiError(str(answer[1]), code, object_id)
        said = str(answer)[:_QUOTED_MAX]
        raise EngineUnreachable(f"{self.endpoint} answers, but not as an engine: {said}", sent=True)

    def _post(self, body: bytes) -> bytes:
        connection = self._connected()
        path = self._url.path or "/RPC2"
        try:
            response = connection.post(f"{path}?{self._url.query}" if self._url.query else path, body, _CONTENT_TYPE)
        except TimeoutError:
            self.close()
            raise EngineUnreachable(
                f"the engine at {self.endpoint} did not answer within {self.timeout_s:g} s: "
                "what was asked may still happen, look before you ask again",
                sent=True,
            ) from None
        except OSError as fault:
            self.close()
            raise EngineUnreachable(
                f"the engine at {self.endpoint} broke off before it answered ({_reason(fault)}): "
                "what was asked may have happened, look before you ask again",
                sent=True,
            ) from None
        if response.status != 200:
            self.close()
            said = response.body.decode("utf-8", errors="replace").strip()[:_QUOTED_MAX]
            raise EngineUnreachable(f"{self.endpoint} answers HTTP {response.status} {response.reason}: {said}")
        return response.body

    def _connected(self) -> Connection:
        """Return a connection that is up; one that the engine closed meanwhile is replaced."""
        if self._connection is not None and self._connection.is_usable:
            return self._connection
        self.close()
        is_tls = self._url.scheme == "https"
        port = self._url.port or (443 if is_tls else 80)
        try:
            self._connection = Connection(self._url.hostname or "localhost", port, self.timeout_s, tls=is_tls)
        except (OSError, UnicodeError) as fault:
            advice = _TLS_ADVICE if is_tls else 'start it with "trifid start --home DIR", or set ONE_XMLRPC'
            raise EngineUnreachable(f"no engine answers at {self.endpoint} ({_reason(fault)}): {advice}") from None
        return self._connection


def _split(endpoint: str) -> SplitResult:
    url = urlsplit(endpoint)
    try:
        is_usable = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise ClientError(f"{endpoint!r} is not an endpoint: it looks like http://localhost:2633/RPC2, see ONE_XMLRPC")
    return url


def _reason(fault: Exception) -> str:
    text = getattr(fault, "strerror", None) or str(fault) or type(fault).__name__
    return text[:1].lower() + text[1:]
