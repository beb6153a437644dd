"""What this node is to serve, and the way there."""
