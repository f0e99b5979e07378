"""The connection, against servers that say exactly these bytes."""

import socket
import threading

import pytest

from trifid.client.http import BrokenOff, Connection, NotHttp


class Server:
    """Answers each request on one connection with the next of the given bytes; None closes the connection."""

    def __init__(self, *answers: bytes | None) -> None:
        self._answers = answers
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.heard: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listening.accept()
        with connection:
            for answer in self._answers:
                if answer is None:
                    return
                self.heard.append(self._request(connection))
                connection.sendall(answer)

    @staticmethod
    def _request(connection: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data or not data.endswith(b"."):
            data += connection.recv(65536)
        return data

    def ended(self) -> None:
        self._thread.join(10)
        self._listening.close()


def posted(*answers, count=1):
    server = Server(*answers)
    connection = Connection("127.0.0.1", server.port, 5.0)
    try:
        return [connection.post("/RPC2", b"call.", "text/xml") for _ in range(count)], server, connection
    finally:
        server.ended()
        connection.close()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def test_a_body_is_posted_and_the_answer_comes_back():
    (response,), server, _ = posted(OK)
    assert response == (200, "OK", b"hello")
    head, _, body = server.heard[0].partition(b"\r\n\r\n")
    assert body == b"call."
    assert head.splitlines()[0] == b"POST /RPC2 HTTP/1.1"
    assert b"Content-Length: 5" in head
    assert f"Host: 127.0.0.1:{server.port}".encode() in head


def test_the_connection_is_used_again():
    responses, server, _ = posted(OK, OK, count=2)
    assert [r.body for r in responses] == [b"hello", b"hello"]
    assert len(server.heard) == 2


def test_a_connection_that_the_server_keeps_is_usable_after_an_answer():
    server = Server(OK, OK)
    connection = Connection("127.0.0.1", server.port, 5.0)
    connection.post("/RPC2", b"call.", "text/xml")
    assert connection.is_usable
    connection.post("/RPC2", b"call.", "text/xml")
    server.ended()
    connection.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\n\r\nhello",
        b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK,
    ],
    ids=["in chunks", "until the end", "of HTTP/1.0", "after a hint"],
)
def test_every_way_to_bound_a_body_is_understood(answer):
    (response,), _, _ = posted(answer)
    assert (response.status, response.body) == (200, b"hello")


def test_an_error_keeps_its_status_reason_and_text():
    (response,), _, _ = posted(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno!")
    assert response == (413, "Too Large", b"no!")


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", b"HTTP/1.1 200"])
def test_an_answer_that_ends_too_early_is_lost(answer):
    with pytest.raises(BrokenOff):
        posted(answer)


def test_what_is_not_http_is_told():
    with pytest.raises(NotHttp, match="does not speak HTTP"):
        posted(b"SSH-2.0-OpenSSH_9.2\r\n")


def test_a_silent_server_times_out():
    server = socket.create_server(("127.0.0.1", 0))
    connection = Connection("127.0.0.1", server.getsockname()[1], 0.05)
    with pytest.raises(TimeoutError):
        connection.post("/RPC2", b"call.", "text/xml")
    connection.close()
    server.close()


def test_a_connection_that_was_closed_is_not_used_again():
    server = Server(OK, None)
    connection = Connection("127.0.0.1", server.port, 5.0)
    connection.post("/RPC2", b"call.", "text/xml")
    server.ended()
    assert not connection.is_usable
    connection.close()


def test_a_server_that_says_close_is_believed():
    server = Server(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    connection = Connection("127.0.0.1", server.port, 5.0)
    connection.post("/RPC2", b"call.", "text/xml")
    assert not connection.is_usable
    server.ended()
    connection.close()
