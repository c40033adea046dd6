"""What an experiment is to the compiled step loop; simulation and theory both advance it."""
