"""A request told at a glance, and refused without being read (RFC 3261 §8.2.6, §18.2; RFC 3581).

What strangers send costs what it is worth: a few header lines are found in the datagram as it
came, and an answer is made by copying them.  A request that is written in an unusual way is none
for this file: it is read whole, as those of everybody else.
"""

import re
from enum import Enum, auto
from typing import Final, NamedTuple

from dragoman.sip.check import MAGIC_COOKIE
from dragoman.sip.failure import PHRASES

Place = tuple[str, int]

MOST: Final = 8192
"""Bytes of a datagram that are looked at."""
COOKIE: Final = b"\x21\x12\xa4\x42"
"""What every STUN message bears (RFC 8489 §5)."""

_VIA, _FROM, _TO, _CALL_ID, _CSEQ, _AGENT, _ASSERTED = range(7)
_SLOTS: Final = {
    b"via": _VIA,
    b"v": _VIA,
    b"from": _FROM,
    b"f": _FROM,
    b"to": _TO,
    b"t": _TO,
    b"call-id": _CALL_ID,
    b"i": _CALL_ID,
    b"cseq": _CSEQ,
    b"user-agent": _AGENT,
    b"p-asserted-identity": _ASSERTED,
}
_LINES: Final = re.compile(
    rb"(?i)\n(via|v|from|f|to|t|call-id|i|cseq|user-agent|p-asserted-identity)"
    rb"[ \t]*:[ \t]*([^\r\n]*)"
)
_REQUEST_LINE: Final = re.compile(rb"[\r\n]*([A-Za-z]{1,32}) ([^ \r\n]{1,512}) SIP/2\.0\r?$")
_HOST: Final = re.compile(r"(?i)sips?:(?:[^@>\r\n]*@)?(\[[0-9a-f:.]*\]|[^\[\];:>?,\s]+)")
_NUMERIC: Final = re.compile(r"\[.*\]|[0-9.]+")
_TOP_VIA: Final = re.compile(
    rb"(?i)SIP/2\.0/UDP ([a-z0-9._-]+)(?::([0-9]{1,5}))?((?:;[^\s;,\"]*)*)(,.*)?$"
)
_BRANCH: Final = re.compile(rb"(?i);branch=([^;,\s]+)")
_RPORT: Final = re.compile(rb"(?i);rport(?:=[0-9]*)?(?=;|$)")
_ELSEWHERE: Final = re.compile(rb"(?i);(?:received|maddr)\b")


class Kind(Enum):
    """What a datagram is, by its first line."""

    REQUEST = auto()
    RESPONSE = auto()
    SIGN = auto()
    """A sign of life: an empty line, or STUN (RFC 5626 §3.5)."""
    JUNK = auto()


class Answer(NamedTuple):
    """What is to be sent, and where; no data: nothing is."""

    data: bytes
    to: Place


SILENCE: Final = Answer(b"", ("", 0))


def kind_of(data: bytes) -> Kind:
    """Tell what a datagram is; a request is whatever has SIP/ in its first line."""
    if data.startswith(b"SIP/2.0 "):
        return Kind.RESPONSE
    end = data.find(b"\n", 2, MOST)
    if end > 0 and data.find(b"SIP/", 0, end) >= 0:
        return Kind.REQUEST
    if not data.strip(b"\r\n") or (data[0] < 4 and data[4:8] == COOKIE):
        return Kind.SIGN
    if end > 0 and b"SIP/" in data[:end].upper():
        return Kind.REQUEST
    # empty lines may come before the first one (RFC 3261 §7.5)
    return kind_of(data.lstrip(b"\r\n")) if data[0] in b"\r\n" else Kind.JUNK


def transaction_of(data: bytes) -> tuple[str, str] | None:
    """Return what a response answers, by branch and method; None where that is not plain."""
    branch, words = None, list[bytes]()
    end = data.find(b"\r\n\r\n", 0, MOST)
    for name, value in _LINES.findall(data, 0, end if end >= 0 else MOST):
        slot = _SLOTS[name.lower()]
        if slot == _VIA and branch is None:
            branch = _BRANCH.search(value)
        elif slot == _CSEQ and not words:
            words = value.split()
    if branch is None or len(words) != 2:
        return None
    return branch[1].decode("latin-1"), words[1].decode("latin-1")


def has_via(data: bytes) -> bool:
    """Tell whether there is a Via in a message's head, however it is written."""
    end = data.find(b"\r\n\r\n", 0, MOST)
    lines = _LINES.findall(data, 0, end if end >= 0 else MOST)
    return any(_SLOTS[name.lower()] == _VIA for name, _ in lines)


def is_numeric(target: str) -> bool:
    """Tell whether a Request-URI is of somebody at an IP address, where nobody is served."""
    found = _HOST.match(target)
    return found is not None and "@" in target and _NUMERIC.fullmatch(found[1]) is not None


class Glance:
    """One request as it lies in its datagram: the lines that an answer copies, and the sender."""

    __slots__ = ("_lines", "agent", "asserted", "domain", "method", "target")

    def __init__(self, method: str, target: str, lines: list[list[bytes]]) -> None:
        """Keep what `glance` found."""
        self.method = method
        self.target = target
        self.agent = lines[_AGENT][0].decode("latin-1") if lines[_AGENT] else ""
        self.asserted = bool(lines[_ASSERTED])
        self.domain = _domain(lines[_FROM][0])
        self._lines = lines

    def via(self) -> tuple[str, str] | None:
        """Return branch and "host:port" of the topmost Via, None when they are not plain."""
        found = _TOP_VIA.match(self._lines[_VIA][0])
        branch = None if found is None else _BRANCH.search(found[3])
        if found is None or branch is None:
            return None
        name = branch[1].decode("latin-1")
        if not name.startswith(MAGIC_COOKIE) or name == MAGIC_COOKIE:
            return None
        return name, f"{found[1].decode().lower()}:{int(found[2] or 5060)}"

    def answer(self, status: int, tag: str, source: Place, more: bytes = b"") -> Answer | None:
        """Return the answer with `status`, header lines `more`, to a request from `source`.

        None when its Via is not plain: such a request has to be read.
        """
        found = _TOP_VIA.match(self._lines[_VIA][0])
        if found is None or _ELSEWHERE.search(found[3]):
            return None
        host, port, params, rest = found.groups()
        address = source[0].encode()
        asked = _RPORT.search(params)
        if asked is not None:
            port_line = b";received=%s;rport=%d" % (address, source[1])
            params = params[: asked.start()] + params[asked.end() :] + port_line
        elif host != address:
            params += b";received=" + address
        top = b"SIP/2.0/UDP %s%s%s%s" % (host, b":" + port if port else b"", params, rest or b"")
        to = self._lines[_TO][0]
        if b"tag=" not in to.lower():
            to += b";tag=" + tag.encode()
        vias = b"".join(b"Via: %s\r\n" % each for each in [top, *self._lines[_VIA][1:]])
        data = b"SIP/2.0 %d %s\r\n%sFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\n%s" % (
            status,
            PHRASES[status].encode(),
            vias,
            self._lines[_FROM][0],
            to,
            self._lines[_CALL_ID][0],
            self._lines[_CSEQ][0],
            more + b"Content-Length: 0\r\n\r\n",
        )
        if asked is not None:
            return Answer(data, source)
        return Answer(data, (source[0], int(port or 5060)))


def glance(data: bytes) -> Glance | None:
    """Return what can be told of a request without reading it; None: it has to be read.

    That is so when a line is folded, one of the lines that an answer needs is missing or, but
    for Via, there twice, or anything stands where it commonly does not.
    """
    end = data.find(b"\r\n\r\n", 0, MOST)
    line_end = data.find(b"\n", 2)
    first = _REQUEST_LINE.match(data, 0, line_end)
    folded = data.find(b"\n ", 0, end) >= 0 or data.find(b"\n\t", 0, end) >= 0
    if end < 0 or first is None or folded:
        return None
    lines: list[list[bytes]] = [[], [], [], [], [], [], []]
    for name, value in _LINES.findall(data, line_end, end):
        lines[_SLOTS[name.lower()]].append(value)
    if not lines[_VIA] or any(len(each) != 1 for each in lines[_FROM : _CSEQ + 1]):
        return None
    return Glance(first[1].decode(), first[2].decode("latin-1"), lines)


def _domain(value: bytes) -> str:
    """Return the host of a From, in lower case; empty where there is none to be seen."""
    text = value.decode("latin-1")
    found = _HOST.match(text, text.rfind("<") + 1)
    return found[1].lower() if found is not None else ""
