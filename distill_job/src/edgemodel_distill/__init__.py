"""Distils a teacher into a small student, and ships it only when the gates let it."""

import os

# ONNX Runtime's official builds for Linux report every opened model to their maker unless told otherwise before the
# library is loaded.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
