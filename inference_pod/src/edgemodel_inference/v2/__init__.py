"""Tensors of the Open Inference Protocol V2, whatever they travelled by: to arrays and back. Pure."""
