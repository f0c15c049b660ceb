"""What we can do, as the answer to OPTIONS (RFC 3261 §11.2)."""

from collections.abc import Sequence
from dataclasses import dataclass

from dragoman.sip.message import Header, Request, Response, response_to


@dataclass(frozen=True, slots=True)
class Abilities:
    """Methods, body types, event packages and extensions that an element takes."""

    allow: Sequence[str]
    accept: Sequence[str] = ()
    events: Sequence[str] = ()
    supported: Sequence[str] = ()

    @property
    def headers(self) -> tuple[Header, ...]:
        """The headers that say so; an empty Accept or Supported says that there is none."""
        headers = [
            ("Allow", ", ".join(self.allow)),
            ("Accept", ", ".join(self.accept)),
            ("Supported", ", ".join(self.supported)),
        ]
        if self.events:
            headers.append(("Allow-Events", ", ".join(self.events)))
        return tuple(headers)


def answer(request: Request, abilities: Abilities, to_tag: str | None = None) -> Response:
    """Return the 200 to an OPTIONS request: what an INVITE would have met, without a body."""
    return response_to(request, 200, headers=abilities.headers, to_tag=to_tag)
