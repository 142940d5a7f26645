"""Full-field displacement of speckled specimens from camera images."""

__version__ = "0.1.0"
