"""The Open Inference Protocol V2 over gRPC; needs the extra ``edgemodel-inference[grpc]``."""
