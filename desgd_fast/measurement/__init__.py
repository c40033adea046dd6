"""What came out, measured: tails of runs, of layers and of gradient noise."""
