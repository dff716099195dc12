"""What routes ask for of the service; the platform's own are in `platform/http/` and `platform/auth/`."""

from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection

from app.resources import Resources
from app.services import Services


async def get_resources(connection: HTTPConnection) -> Resources:
    """Return the resources of this process."""
    resources: Resources = connection.state.resources
    return resources


async def get_services(connection: HTTPConnection) -> Services:
    """Return the services of this process."""
    services: Services = connection.state.services
    return services


ResourcesDep = Annotated[Resources, Depends(get_resources)]
ServicesDep = Annotated[Services, Depends(get_services)]
# add your own below
