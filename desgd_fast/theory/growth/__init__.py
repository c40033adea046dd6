"""How products of random steps grow, by populations of particles: rho, h(s), and their roots."""
