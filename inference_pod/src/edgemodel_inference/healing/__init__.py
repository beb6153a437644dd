"""Faults of this node: seen, acted on, written down."""
