"""Random numbers from counters."""
