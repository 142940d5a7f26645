"""What the mask of the surface is made of, beside the networks, and how sure it is."""
