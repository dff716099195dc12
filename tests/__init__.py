"""The template's own tests; what a rendered service is tested with lies in template/tests."""
