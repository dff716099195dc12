"""The template's own tests; the tests of a rendered service are in template/tests."""
