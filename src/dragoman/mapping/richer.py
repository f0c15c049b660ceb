"""What a phone gets in place of text/plain, if it is known to take that (RFC 7572 §7, RFC 2046).

The formatting of a message (XEP-0071) as text/html, or all its languages as multipart/alternative.
"""

from collections.abc import Collection
from hashlib import blake2b
from typing import Final

from dragoman.mapping.html import to_html
from dragoman.mapping.language import language_tag
from dragoman.sip.message import Request, build_request
from dragoman.xmpp.element import Element
from dragoman.xmpp.stanza import BODY

HTML: Final = "text/html"
ALTERNATIVE: Final = "multipart/alternative"
RICH: Final = frozenset({HTML, ALTERNATIVE})
MOST_LANGUAGES: Final = 8


def richer(stanza: Element, plain: Request, accepted: Collection[str]) -> Request | None:
    """Return the request of a stanza with all that it says, None where `plain` says it already.

    `accepted` are the types that the phone takes. What was put into words is told in words only.
    """
    if not accepted:
        return None
    bodies = [each for each in stanza.find_all(BODY) if each.text]
    if all(each.text.encode() != plain.body for each in bodies):
        return None
    if HTML in accepted and (text := to_html(stanza)):
        return _with_body(plain, f"{HTML};charset=UTF-8", text.encode())
    if ALTERNATIVE in accepted and len(bodies) > 1:
        return _alternatives(plain, bodies, stanza.get("xml:lang", ""))
    return None


def _alternatives(plain: Request, bodies: list[Element], language: str) -> Request:
    """Join bodies, the one that is in the plain request last: who knows one only takes the last."""
    bodies = sorted(bodies[:MOST_LANGUAGES], key=lambda each: each.text.encode() == plain.body)
    parts = [_part(each.text, each.get("xml:lang") or language) for each in bodies]
    digest = blake2b("".join(parts).encode(), digest_size=12).hexdigest()
    boundary = f"--{digest}\r\n"
    joined = "".join(f"{boundary}{part}\r\n" for part in parts) + f"--{digest}--\r\n"
    return _with_body(plain, f"{ALTERNATIVE};boundary={digest}", joined.encode())


def _part(text: str, language: str) -> str:
    tag = language_tag(language)
    header = f"Content-Language: {tag}\r\n" if tag else ""
    # In a MIME entity every line of text ends so (RFC 2046 §4.1.1).
    lines = text.replace("\n", "\r\n")
    return f"Content-Type: text/plain;charset=UTF-8\r\n{header}\r\n{lines}"


def _with_body(plain: Request, media: str, body: bytes) -> Request:
    left_out = {"Content-Type", "Content-Language"} if ALTERNATIVE in media else {"Content-Type"}
    headers = [each for each in plain.headers if each[0] not in left_out]
    return build_request(plain.method, plain.target, [*headers, ("Content-Type", media)], body)
