"""What outlives a process: bundles, and small records."""
