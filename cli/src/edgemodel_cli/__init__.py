"""The edgemodel command line."""

import os

# ONNX Runtime's official builds for Linux report every opened model to their maker unless told otherwise before the
# library is loaded.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
