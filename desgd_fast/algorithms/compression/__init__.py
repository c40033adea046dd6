"""Compressors, their memories, and the algorithms that are made of them."""
