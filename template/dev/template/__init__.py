"""This project and its template: is there a newer release, merge it, change an answer, see the drift."""
