"""What a server is told at its start: variables, options and files, checked once."""
