"""Flows on a GPU, in PyTorch and in Triton, and CUDA graphs."""
