"""What one side's words mean on the other (RFC 7247, RFC 7572): pure functions, both directions."""
