"""Products of random matrices: growth without iterates."""
