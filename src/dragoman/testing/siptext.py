"""SIP messages as scripted peers read and write them (RFC 3261 §7), and the rules they check."""

import re
from dataclasses import dataclass
from typing import Final, Self

COMPACT: Final = {
    "v": "via", "f": "from", "t": "to", "i": "call-id", "l": "content-length",
    "c": "content-type", "m": "contact", "s": "subject", "k": "supported", "e": "content-encoding",
}  # fmt: skip
ONCE: Final = ("From", "To", "Call-ID", "CSeq", "Max-Forwards")
PAGER_LIMIT: Final = 1300


@dataclass(frozen=True, slots=True)
class SipText:
    """A message: its start line, its headers in order, its body; Content-Length is implied."""

    start: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    @classmethod
    def parse(cls, data: bytes) -> Self | None:
        """Read one whole message; None for what is none, or not exactly as long as it says."""
        head, blank, body = data.partition(b"\r\n\r\n")
        try:
            start, *lines = re.sub(r"\r\n[ \t]+", " ", head.decode()).split("\r\n")
        except UnicodeDecodeError:
            return None
        headers = tuple(
            (name.strip(), value.strip()) for name, _, value in (x.partition(":") for x in lines)
        )
        if not blank or not re.fullmatch(r"SIP/2\.0 [1-6]\d\d .*|[A-Z]+ \S+ SIP/2\.0", start):
            return None
        length = cls(start, headers).get("Content-Length")
        if length is not None and length != str(len(body)):
            return None
        kept = tuple(pair for pair in headers if _canonical(pair[0]) != "content-length")
        return cls(start, kept, body)

    def __bytes__(self) -> bytes:
        """Return the message as sent, with its Content-Length."""
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers)]
        lines += [f"Content-Length: {len(self.body)}", "", ""]
        return "\r\n".join(lines).encode() + self.body

    @property
    def method(self) -> str:
        """The method of a request; "" for a response."""
        return "" if self.status else self.start.split()[0]

    @property
    def target(self) -> str:
        """The Request-URI of a request; "" for a response."""
        return "" if self.status else self.start.split()[1]

    @property
    def status(self) -> int:
        """The status of a response; 0 for a request."""
        return int(self.start[8:11]) if self.start.startswith("SIP/2.0 ") else 0

    @property
    def text(self) -> str:
        """The body, as UTF-8."""
        return self.body.decode(errors="replace")

    def get(self, name: str) -> str | None:
        """Return the first value of the header `name`, in whatever spelling it came."""
        return next(iter(self.get_all(name)), None)

    def get_all(self, name: str) -> list[str]:
        """Return each line of the header `name`, in order."""
        wanted = name.lower()
        return [value for found, value in self.headers if _canonical(found) == wanted]


def _canonical(name: str) -> str:
    lower = name.lower()
    return COMPACT.get(lower, lower)


def parameter(value: str, name: str) -> str | None:
    """Return a header parameter of `value`: "" where it has no value, None where it is absent."""
    outside = re.sub(r'"(?:[^"\\]|\\.)*"|<[^>]*>', "", value)
    for part in outside.split(";")[1:]:
        found, _, content = part.partition("=")
        if found.strip().lower() == name:
            return content.strip()
    return None


def user_of(uri: str) -> str:
    """Return the user part of a URI, as written; "" where it has none."""
    found = re.match(r"\w+:([^@;?]+)@", uri)
    return found[1] if found else ""


def faults(request: SipText, transport: str) -> list[str]:
    """Return the rules that a request breaks (RFC 3261 §8.1.1, RFC 3428 §4 and §8)."""
    via = request.get("Via") or ""
    found = [f"{name} must come once" for name in ONCE if len(request.get_all(name)) != 1]
    if not re.match(rf"SIP/2\.0/{transport} (\[[^]]+\]|[^\s:;]+)(:\d+)?(;|$)", via):
        found.append("Via does not name this transport and its sender")
    if not (parameter(via, "branch") or "").startswith("z9hG4bK"):
        found.append("Via has no branch of RFC 3261")
    if not parameter(request.get("From") or "", "tag"):
        found.append("From has no tag")
    if not re.fullmatch(rf"\d+\s+{request.method}", request.get("CSeq") or ""):
        found.append("CSeq does not name the method")
    if request.method == "MESSAGE":
        found += _pager_faults(request, transport)
    return found


def _pager_faults(request: SipText, transport: str) -> list[str]:
    found = []
    if request.get("Contact") is not None:
        found.append("MESSAGE must not have a Contact")
    if request.body and request.get("Content-Type") is None:
        found.append("body without Content-Type")
    if transport == "UDP" and len(bytes(request)) > PAGER_LIMIT:
        found.append(f"MESSAGE is larger than {PAGER_LIMIT} bytes")
    return found


class Cutter:
    """Cuts whole messages out of a stream by Content-Length (RFC 3261 §18.3)."""

    def __init__(self) -> None:
        """Start with an empty stream."""
        self._held = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that `data` completes; bare CRLFs between them are dropped."""
        self._held = (self._held + data).lstrip(b"\r\n")
        found = []
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            length = re.search(rb"(?im)^(?:content-length|l)\s*:\s*(\d+)", self._held[:end])
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._held) < whole:
                break
            found.append(self._held[:whole])
            self._held = self._held[whole:].lstrip(b"\r\n")
        return found
