"""What every room needs: checks, randomness, threads, progress, forms of results."""
