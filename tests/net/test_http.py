"""The pages for the operator: requests whole and in pieces, bad ones, slow ones, too many."""

import asyncio
import http.client
from http import HTTPStatus

import pytest

from dragoman.net.http import LONGEST, PATIENCE, HttpServer, HttpStream, Page
from dragoman.net.listen import Gate, Place

PAGES = {"/hello": lambda: Page(b"hello\n"), "/odd": lambda: Page(b"{}", "application/json")}
HELLO = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 6\r\n"
    b"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
)
GET = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"


def answer(data: bytes, *, step: int = 1 << 20) -> bytes:
    stream = HttpStream(PAGES, 0.0)
    for start in range(0, len(data), step):
        stream.receive(data[start : start + step], 0.0)
    return b"".join(stream.to_send())


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_a_page(step: int) -> None:
    assert answer(GET, step=step) == HELLO + b"hello\n"
    assert answer(GET.replace(b"GET", b"HEAD"), step=step) == HELLO
    assert answer(GET.replace(b"/hello", b"/hello?x=y"), step=step) == HELLO + b"hello\n"
    assert answer(GET.replace(b"1.1\r\nHost: a", b"1.0"), step=step) == HELLO + b"hello\n"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (b"GET /hello/../x HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (b"POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 405),
        (b"DELETE /hello HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET /hello HTTP/1.1\r\n\r\n", 400),
        (b"GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET /" + b"x" * (2 * LONGEST), 431),
    ],
)
def test_other_requests(data: bytes, status: int) -> None:
    said = answer(data)
    assert said.startswith(f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode())
    assert said.endswith(f"\r\n\r\n{status} {HTTPStatus(status).phrase}\n".encode())
    assert (b"\r\nAllow: GET, HEAD\r\n" in said) is (status == 405)


def test_one_answer_a_connection() -> None:
    assert answer(GET + GET).count(b"HTTP/1.1 200") == 1
    stream = HttpStream(PAGES, 0.0)
    stream.receive(GET, 0.0)
    assert (stream.over, stream.next_timer(), stream.request) == (True, None, "GET /hello")
    stream.to_send()
    stream.receive(GET, 0.0)
    assert stream.to_send() == []


def test_a_request_has_to_come_in_time() -> None:
    stream = HttpStream(PAGES, 5.0)
    stream.receive(GET[:20], 6.0)
    assert stream.next_timer() == 5.0 + PATIENCE
    stream.on_timer(5.0 + PATIENCE - 0.1)
    assert not stream.over
    stream.on_timer(5.0 + PATIENCE)
    assert (stream.over, stream.next_timer(), stream.to_send()) == (True, None, [])


def fetch(address: tuple[str, int], path: str) -> tuple[int, str | None, bytes]:
    """Ask as any client would: with the standard library's."""
    connection = http.client.HTTPConnection(*address, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.getheader("Content-Type"), response.read()
    finally:
        connection.close()


async def test_over_a_socket() -> None:
    server = HttpServer(PAGES, asyncio.get_running_loop().time)
    listener = await server.listen(Place("http", "127.0.0.1", 0))
    address = listener.addresses[0]
    found = await asyncio.to_thread(fetch, address, "/odd")
    assert found == (200, "application/json", b"{}")
    assert (await asyncio.to_thread(fetch, address, "/hi"))[0] == 404
    server.close()


async def test_connections_are_bounded_and_closed_when_the_gateway_stops() -> None:
    server = HttpServer(PAGES, asyncio.get_running_loop().time, gate=Gate(1, 1))
    listener = await server.listen(Place("http", "127.0.0.1", 0))
    first, to_first = await asyncio.open_connection(*listener.addresses[0])
    to_first.write(GET[:5])
    second, to_second = await asyncio.open_connection(*listener.addresses[0])
    async with asyncio.timeout(5):
        assert await ended(second)
        server.close()
        assert await ended(first)
    to_first.close()
    to_second.close()


async def ended(reader: asyncio.StreamReader) -> bool:
    """Wait for the end of a connection, which may be an abrupt one."""
    try:
        return await reader.read() == b""
    except ConnectionResetError:
        return True
