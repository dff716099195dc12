"""Caches of reads, in Redis."""
