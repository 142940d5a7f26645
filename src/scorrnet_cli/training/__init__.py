"""How the networks are trained: synthesis, loss and loop."""
