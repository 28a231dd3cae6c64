"""What others push over HTTP: the shape of each resource, and the store that keeps it."""
