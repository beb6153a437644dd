"""What operator, pods and Jobs must agree on: documents, rules, names. Pure; no I/O, no clock, no random."""
