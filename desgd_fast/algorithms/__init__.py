"""What a node does with its gradient."""
