"""A Django project in one file: one JSON view, asynchronous for ASGI and synchronous for WSGI, no middleware."""

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="only for a benchmark", USE_TZ=True)


def content(request, number):
    return JsonResponse({"number": number, "q": request.GET.get("q", ""), "tags": ["a", "b", "c"]})


async def async_item(request, number):
    return content(request, number)


urlpatterns = [path("async/<int:number>", async_item), path("sync/<int:number>", content)]

asgi = get_asgi_application()
wsgi = get_wsgi_application()
