from celery.result import AsyncResult
from django.core.cache import cache
from django.core.files.storage import default_storage
from django.http import HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from .models import Visit
from .tasks import work


def count(request):
    """A row, a look at the table and a number in the cache."""
    Visit.objects.create()
    cache.add("visits", 0)
    return JsonResponse({"rows": Visit.objects.count(), "visits": cache.incr("visits"), "address": request.META["REMOTE_ADDR"], "scheme": request.scheme})


@csrf_exempt
def upload(request):
    return HttpResponse(default_storage.save("upload.bin", request.FILES["file"]))


def begin(request):
    return HttpResponse(work.delay(float(request.GET["seconds"])).id)


def task(request, task):
    return HttpResponse(AsyncResult(str(task)).state)


def ticks(request):
    return HttpResponse(str(cache.get("ticks", 0)))
