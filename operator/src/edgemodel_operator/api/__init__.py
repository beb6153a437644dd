"""The EdgeModel resource: parsed from what the API server holds, and the source of its CRD."""
