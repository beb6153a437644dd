"""Serves a model on the edge and looks after itself."""

import os

# ONNX Runtime's official builds for Linux report every opened model to their maker unless told otherwise before the
# library is loaded. An edge box reports to its owner only.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
