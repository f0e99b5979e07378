"""The API client: `Client(*from_environment()).call("one.vm.info", 3)`."""

from trifid.client.api import Client
from trifid.client.errors import ApiError, ApiFault, ClientError, EngineUnreachable, NoSession
from trifid.client.session import from_environment

__all__ = ["ApiError", "ApiFault", "Client", "ClientError", "EngineUnreachable", "NoSession", "from_environment"]
