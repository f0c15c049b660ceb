"""What went wrong in MSRP, and the status code that says so (RFC 4975 §10, RFC 4976 §10.3)."""

from typing import Final, final

from dragoman.errors import LocalError, RemoteError

PHRASES: Final[dict[int, str]] = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    408: "Timeout",
    413: "Stop Sending",
    415: "Unsupported Media Type",
    423: "Interval Out of Bounds",
    425: "Nickname Reserved",
    428: "Private Messages Not Supported",
    481: "No Such Session",
    501: "Method Not Understood",
    506: "Session Already Bound",
}
"""What is written behind the codes; for people only."""


@final
class MsrpError(RemoteError):
    """The peer broke a rule of MSRP: `status` is what to answer it with."""

    def __init__(self, reason: str, status: int = 400) -> None:
        """Keep `reason`, one sentence for people, and `status`, three digits."""
        super().__init__(reason)
        self.status = status


class SendRefused(LocalError):
    """A message may not be sent as asked; nothing of it was: see the kinds below."""


@final
class TypeNotAccepted(SendRefused):
    """The peer lists neither the content type nor a range with it (RFC 4975 §8.6)."""


@final
class TooLarge(SendRefused):
    """The message is longer than the `max-size` of the peer (RFC 4975 §8.6)."""


@final
class DirectionForbids(SendRefused):
    """A direction attribute lets no message payload go this way now (RFC 4975 §8.9)."""


@final
class NotOpen(SendRefused):
    """The session was never started, or is over."""


@final
class Full(LocalError):
    """A bound of `Limits` is reached: try later, or refuse whoever asks."""
