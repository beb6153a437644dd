"""The EdgeModel operator."""
