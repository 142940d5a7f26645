"""Arithmetic on arrays that knows nothing of images: filters, sets of points, splines, fits, tiles."""
