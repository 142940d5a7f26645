"""One HTML page that tells of a measurement: pictures, values, curves, and the facts that good practice asks for."""
