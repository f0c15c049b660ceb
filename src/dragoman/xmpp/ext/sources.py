"""Files by where they are found (XEP-0447 stateless file sharing, XEP-0385 media sharing)."""

from collections.abc import Iterable, Iterator
from typing import Final

from dragoman.xmpp.element import Element

_SFS: Final = "{urn:xmpp:sfs:0}"
_SIMS: Final = "{urn:xmpp:sims:1}"
REFERENCE: Final = "{urn:xmpp:reference:0}reference"
URL_DATA: Final = "{http://jabber.org/protocol/url-data}url-data"
"""XEP-0103."""
METADATA: Final = "{urn:xmpp:file:metadata:0}"
"""XEP-0446."""
JINGLE_FILE: Final = "{urn:xmpp:jingle:apps:file-transfer:5}"


def urls(message: Element) -> list[str]:
    """Return a web address for each file that a message shares and that has one."""
    # A source may follow its file in a message of its own (XEP-0447 §3.3).
    shared = [message, *message.find_all(f"{_SFS}file-sharing")]
    found = [_web(_targets(each, f"{_SFS}sources", URL_DATA, "target")) for each in shared]
    media = [_web(_targets(each, f"{_SIMS}sources", REFERENCE, "uri")) for each in _media(message)]
    return [url for url in (*found, *media) if url]


def names(message: Element) -> list[str]:
    """Return what the shared files are called, as far as it is told."""
    within = (each.find(f"{METADATA}file") for each in message.find_all(f"{_SFS}file-sharing"))
    media = (each.find(f"{JINGLE_FILE}file") for each in _media(message))
    found = [
        *(file.find(f"{METADATA}name") for file in within if file is not None),
        *(file.find(f"{JINGLE_FILE}name") for file in media if file is not None),
    ]
    return [name.text for name in found if name is not None and name.text]


def _media(message: Element) -> Iterator[Element]:
    for each in message.find_all(REFERENCE):
        yield from each.find_all(f"{_SIMS}media-sharing")


def _targets(shared: Element, sources: str, source: str, attribute: str) -> Iterator[str]:
    for each in shared.find_all(sources):
        yield from (found.get(attribute, "") for found in each.find_all(source))


def _web(targets: Iterable[str]) -> str:
    """Return the first that a browser opens: no other is of use to who has no XMPP client."""
    return next((each for each in targets if each.startswith(("https://", "http://"))), "")
