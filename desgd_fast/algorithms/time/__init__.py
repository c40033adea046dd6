"""When nodes move: who takes part, local steps, gradients that come late."""
