"""XML streams as scripted peers read and write them (RFC 6120 §4, §8, §11)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element, tostring
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from dragoman.errors import RemoteError

STREAMS: Final = "http://etherx.jabber.org/streams"
SERVER: Final = "jabber:server"
COMPONENT: Final = "jabber:component:accept"
DIALBACK: Final = "jabber:server:dialback"
TLS: Final = "urn:ietf:params:xml:ns:xmpp-tls"
SASL: Final = "urn:ietf:params:xml:ns:xmpp-sasl"
STANZAS: Final = "urn:ietf:params:xml:ns:xmpp-stanzas"
PING: Final = "urn:xmpp:ping"
STREAM_ERRORS: Final = "urn:ietf:params:xml:ns:xmpp-streams"


@dataclass(frozen=True, slots=True)
class Header:
    """The start of a stream: its attributes, and the namespaces it declares by prefix."""

    attributes: Mapping[str, str]
    namespaces: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class End:
    """The end tag of a stream."""


class Reader:
    """Bytes in; a header, then elements directly below the root, then the end.

    Names come as `{namespace}local`. Whatever RFC 6120 §11.1 forbids, and XML that is not well
    formed, raises RemoteError.
    """

    def __init__(self) -> None:
        """Start before the first byte of a stream."""
        self._found: list[Header | Element | End] = []
        self._open: list[Element] = []
        self._declared: dict[str, str] = {}
        parser = self._parser = expat.ParserCreate(namespace_separator="}")
        # Newer releases hold back a token cut in two until much more has come: fatal on a stream.
        if hasattr(parser, "SetReparseDeferralEnabled"):
            parser.SetReparseDeferralEnabled(False)
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartNamespaceDeclHandler = self._declare
        parser.CommentHandler = parser.ProcessingInstructionHandler = self._forbid
        parser.StartDoctypeDeclHandler = self._forbid

    def feed(self, data: bytes) -> list[Header | Element | End]:
        """Take the next bytes; return what they complete."""
        try:
            self._parser.Parse(data, False)
        except expat.ExpatError as error:
            raise RemoteError(f"not well-formed: {error}") from None
        found, self._found = self._found, []
        return found

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        element = Element(_clark(name), {_clark(key): val for key, val in attributes.items()})
        if not self._open:
            self._found.append(Header(element.attrib, dict(self._declared)))
        elif len(self._open) > 1:
            self._open[-1].append(element)
        self._open.append(element)

    def _end(self, _: str) -> None:
        element = self._open.pop()
        if len(self._open) == 1:
            self._found.append(element)
        elif not self._open:
            self._found.append(End())

    def _text(self, text: str) -> None:
        if len(self._open) < 2:
            return
        if len(above := self._open[-1]):
            above[-1].tail = (above[-1].tail or "") + text
        else:
            above.text = (above.text or "") + text

    def _declare(self, prefix: str | None, namespace: str | None) -> None:
        if not self._open:
            self._declared[prefix or ""] = namespace or ""

    def _forbid(self, *_: object) -> None:
        raise RemoteError("restricted XML on a stream")


def _clark(name: str) -> str:
    return "{" + name if "}" in name else name


def header(namespace: str, **attributes: str) -> str:
    """Return a stream header; `from_` stands for the attribute `from`."""
    given = "".join(f" {key.rstrip('_')}={quoteattr(val)}" for key, val in attributes.items())
    dialback = f" xmlns:db='{DIALBACK}'" if namespace == SERVER else ""
    return (
        f"<?xml version='1.0'?><stream:stream xmlns='{namespace}' xmlns:stream='{STREAMS}'"
        f"{dialback}{given}>"
    )


def stream_error(condition: str) -> str:
    """Return a stream error and the stream's end (RFC 6120 §4.9)."""
    return f"<stream:error><{condition} xmlns='{STREAM_ERRORS}'/></stream:error></stream:stream>"


def message(
    sender: str, to: str, body: str, *, stanza_id: str, kind: str = "chat", extra: str = ""
) -> str:
    """Return a message stanza; `extra` is XML to stand beside the body."""
    return (
        f"<message from={quoteattr(sender)} to={quoteattr(to)} id={quoteattr(stanza_id)}"
        f" type={quoteattr(kind)}><body>{escape(body)}</body>{extra}</message>"
    )


def error(stanza: Element, condition: str, kind: str = "cancel") -> str:
    """Return the stanza error that answers `stanza` (RFC 6120 §8.3), without its payload."""
    name = stanza.tag.rpartition("}")[2]
    return (
        f"<{name} {_answering(stanza)} type='error'>"
        f"<error type='{kind}'><{condition} xmlns='{STANZAS}'/></error></{name}>"
    )


def result(stanza: Element) -> str:
    """Return the empty result that answers an iq."""
    return f"<iq {_answering(stanza)} type='result'/>"


def _answering(stanza: Element) -> str:
    turned = {"from": stanza.get("to"), "to": stanza.get("from"), "id": stanza.get("id")}
    return " ".join(f"{key}={quoteattr(val)}" for key, val in turned.items() if val is not None)


def condition_of(stanza: Element) -> str | None:
    """Return the condition of a stanza error; None for a stanza that carries none."""
    for child in stanza:
        if child.tag.endswith("}error"):
            for inner in child:
                if inner.tag.startswith("{" + STANZAS) and not inner.tag.endswith("}text"):
                    return inner.tag.rpartition("}")[2]
    return None


def body_of(stanza: Element) -> str | None:
    """Return the text of a message's first body; None where it has none."""
    return next((child.text or "" for child in stanza if child.tag.endswith("}body")), None)


def shown(stanza: Element) -> str:
    """Return a stanza as text, for people and for comparing in tests."""
    return tostring(stanza, encoding="unicode")
