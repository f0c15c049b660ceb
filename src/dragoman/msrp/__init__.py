"""MSRP and what it carries (RFC 4975, RFC 3862): no sockets, no clock."""
