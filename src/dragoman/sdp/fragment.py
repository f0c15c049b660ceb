"""Candidates that are told after the description they belong to (RFC 8840 §9)."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

from dragoman.sdp.failure import SdpError
from dragoman.sdp.grammar import is_token, is_word
from dragoman.sdp.ice import Candidate
from dragoman.sdp.session import SessionDescription

TYPE: Final = "application/trickle-ice-sdpfrag"
MOST: Final = 128
"""Candidates of a stream that are kept."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What is told of one stream, by its a=mid; `complete`: no more candidates will come.

    `ufrag` and `pwd` are those of the ICE session that the candidates are of.
    """

    mid: str
    ufrag: str = ""
    pwd: str = ""
    candidates: tuple[Candidate, ...] = ()
    complete: bool = False
    kind: str = "audio"


@dataclass(frozen=True, slots=True)
class Fragment:
    """The body of an INFO; each has all candidates so far (§4.4)."""

    streams: tuple[Stream, ...]

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a body of TYPE; SdpError says why it is none.

        A line that is no candidate is passed over, and a stream without a name. What is said
        before the first stream holds for all.
        """
        found = SessionDescription.parse(data)
        complete = found.value("end-of-candidates") is not None
        streams = []
        for media in found.media:
            mid = (media.value("mid") or "").strip()
            ufrag, pwd = (found.value(each, media) or "" for each in ("ice-ufrag", "ice-pwd"))
            if not (is_token(mid) and all(map(is_word, filter(None, (ufrag, pwd))))):
                continue
            candidates = tuple(_candidates(media.values("candidate")))
            done = complete or media.value("end-of-candidates") is not None
            streams.append(Stream(mid, ufrag, pwd, candidates, done, media.kind))
        if not streams:
            raise SdpError("a fragment without a stream that has a name")
        return cls(tuple(streams))

    def encode(self) -> bytes:
        """Return the body."""
        return "".join(f"{line}\r\n" for line in self.lines()).encode()

    def lines(self) -> Iterator[str]:
        """Yield all lines."""
        for each in self.streams:
            yield f"m={each.kind} 9 RTP/AVP 0"
            yield f"a=mid:{each.mid}"
            if each.ufrag:
                yield f"a=ice-ufrag:{each.ufrag}"
            if each.pwd:
                yield f"a=ice-pwd:{each.pwd}"
            yield from (f"a=candidate:{candidate}" for candidate in each.candidates)
            if each.complete:
                yield "a=end-of-candidates"


def _candidates(values: tuple[str, ...]) -> Iterator[Candidate]:
    for value in values[:MOST]:
        with suppress(SdpError):
            yield Candidate.parse(value)
