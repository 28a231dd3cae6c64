"""HTTP: batches in, marts out, runs, metrics, and a page to look at."""
