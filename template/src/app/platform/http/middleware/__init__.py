"""One middleware class a file; `app/middleware.py` puts them in order."""
