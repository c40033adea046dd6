"""What the nodes minimise, and where their data come from."""
