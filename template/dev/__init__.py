"""Developer tools of this project; never part of the image."""
