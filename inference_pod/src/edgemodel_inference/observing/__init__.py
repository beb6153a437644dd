"""What the traffic was like: metrics, samples, OTLP."""
