"""Multipart bodies cut into their parts (RFC 2046 §5.1, RFC 2045 §6)."""

import binascii
import re
from collections.abc import Iterator
from typing import Final

LONGEST_BOUNDARY: Final = 70


def parts(boundary: bytes, body: bytes) -> Iterator[tuple[dict[str, str], bytes]]:
    """Cut a multipart at its delimiter lines (RFC 2046 §5.1.1), of which one closes it.

    A line that only begins like the delimiter belongs to a part: to an inner multipart, say.
    """
    data = b"\r\n" + body
    delimiter = re.compile(rb"\r\n--" + re.escape(boundary) + rb"(--)?[ \t]*(?=\r\n|\Z)")
    begin: int | None = None
    for found in delimiter.finditer(data):
        if begin is not None:
            yield _split(data[begin : found.start()])
        if found[1]:
            return
        begin = found.end()
    if begin is not None:
        yield _split(data[begin:])


def _split(part: bytes) -> tuple[dict[str, str], bytes]:
    """Cut a part, from the end of its delimiter line, into its headers and content.

    The names of the headers become lower case; of several with one name the first counts.
    """
    if part.startswith(b"\r\n\r\n"):
        return {}, part[4:]
    head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    unfolded = head.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ").decode(errors="replace")
    fields = [line.partition(":") for line in unfolded.split("\r\n")]
    return {name.strip().lower(): value.strip() for name, _, value in reversed(fields)}, content


def transfer_decoded(content: bytes, encoding: str) -> bytes | None:
    """Undo a content transfer encoding (RFC 2045 §6); None for one that is not known."""
    if encoding in ("", "7bit", "8bit", "binary"):
        return content
    try:
        if encoding == "base64":
            return binascii.a2b_base64(content)
        return binascii.a2b_qp(content) if encoding == "quoted-printable" else None
    except binascii.Error:
        return None
