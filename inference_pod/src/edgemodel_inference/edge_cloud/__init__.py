"""Joint inference: what the edge is unsure of is asked for in the cloud."""
