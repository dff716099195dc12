"""Draws the dashboards of a service, with the numbers of one in use (`make dashboards`)."""
