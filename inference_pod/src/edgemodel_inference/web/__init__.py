"""What answers HTTP: the hot path, pages for people, limits, access."""
