"""Distils a teacher into a small student, and ships it only when the gates let it."""
