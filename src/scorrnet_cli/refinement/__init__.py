"""What the refinement solves: how well images match, and windows of many widths at once."""
