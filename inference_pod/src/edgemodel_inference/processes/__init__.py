"""What keeps a server alive: the supervisor, its workers, and what they say to each other."""
