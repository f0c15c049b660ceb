"""A SIP/XMPP gateway: point a domain's DNS at it, and both sides talk."""

from typing import Final

__version__: Final = "0.1.0.dev0"
