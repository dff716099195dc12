"""Greetings: what this company is about."""
