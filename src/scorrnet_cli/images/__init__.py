"""Image files and videos: their pixels, what their headers tell, and when they were taken."""
