"""Pages from templates, and routes whose errors are pages too."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined

from tankwatch import __version__
from tankwatch.errors import ProblemError, StoreError

_THIN = "\N{NARROW NO-BREAK SPACE}"
_ENVIRONMENT = Environment(
    loader=PackageLoader("tankwatch.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters["counted"] = lambda number: f"{number:,}".replace(",", _THIN)
_ENVIRONMENT.globals["version"] = __version__
# The navigation: the page's name in templates (`here`), its address, and how it is called.
_ENVIRONMENT.globals["navigation"] = (
    ("fleet", "/", "Tanks"),
    ("alarms", "/alarms", "Alarms"),
    ("models", "/models", "Models"),
    ("health", "/health", "Health"),
    ("quality", "/quality", "Quality"),
)


def page(request: Request, template: str, *, status: int = 200, **shown: Any) -> Response:
    """Return the page that a template makes of what is shown; names are escaped.

    Every template sees `visitor`, who is at the page, and `unseen`, how many alarms nobody has
    acknowledged; both are None before it is known who asks.
    """
    around = {name: getattr(request.state, name, None) for name in ("visitor", "unseen")}
    html = _ENVIRONMENT.get_template(f"{template}.html.j2").render(shown, **around)
    return Response(
        html.encode(errors="replace"),
        status_code=status,
        media_type="text/html; charset=utf-8",
        headers={"Cache-Control": "no-store"},
    )


def own_address(address: str, otherwise: str = "/") -> str:
    """Return an address of this page that may be gone to; `otherwise` for any other."""
    is_path = address.startswith("/") and address[1:2] not in {"/", "\\"}
    return address if is_path and address.isprintable() else otherwise


class PageRoute(APIRoute):
    """A route that answers people: an error says on a page what is wrong, and the remedy."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of the route."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except ProblemError as error:
                return _told(request, error)
            except RequestValidationError as error:
                return _told(request, _of_query(error))
            except StoreError as error:
                return _told(request, _of_store(error, request))

        return handle


def _told(request: Request, error: ProblemError) -> Response:
    answer = page(request, "problem", status=error.status, what=error.what, remedy=error.remedy)
    answer.headers.update(error.headers)
    return answer


def _of_query(error: RequestValidationError) -> ProblemError:
    first = error.errors()[0]
    where = " ".join(str(part) for part in first["loc"])
    what = f"{first['loc'][-1]}: {first['msg']}"
    return ProblemError(422, what, where=where, remedy="follow a link of the page instead")


def _of_store(error: StoreError, request: Request) -> ProblemError:
    what, _, remedy = str(error).rpartition(": ")
    after_s = request.app.state.service.settings.serve.retry_after_s
    return ProblemError(
        503,
        what or str(error),
        where="database",
        remedy=f"{remedy}; then load the page again" if what else "load the page again in a while",
        retry_after=str(after_s),
    )
