"""Models in memory: opened in a jail first, run together, swapped by one reference."""
