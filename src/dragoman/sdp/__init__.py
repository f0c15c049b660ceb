"""Session descriptions (RFC 8866), and how two sides agree by them (RFC 3264): values only."""
