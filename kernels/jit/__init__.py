"""How kernels are compiled: flags, cache, vectors, elementary functions."""
