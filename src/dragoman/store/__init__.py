"""What outlives a restart, behind one interface."""
