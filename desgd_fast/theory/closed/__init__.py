"""Growth in closed form: one random factor, one node, second moments on Gaussian features."""
