"""Serves a model on the edge and looks after itself."""
