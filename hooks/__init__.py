"""The steps that a release may need in Copier's `_migrations`.

They run on Copier's own interpreter: Python 3.10 or newer, the standard library and Copier's own packages.
"""
