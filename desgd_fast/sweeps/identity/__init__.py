"""What a computation is: two that may give different numbers are told apart."""
