"""One view for each way in which Django uses its server."""

import asyncio
import hashlib
import os
import threading

from django.db import connection
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from .forms import DocumentForm, NoteForm
from .models import Document, Note


def index(request):
    return render(request, "pages/index.html", {"notes": Note.objects.all()[:10], "documents": Document.objects.all()[:10]})


def healthz(request):
    """For `--ready-path`, probes and load balancers: the database answers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("ok", content_type="text/plain")


def _where(request):
    return {
        "pid": os.getpid(),
        "main_thread": threading.current_thread() is threading.main_thread(),
        "method": request.method,
        "path": request.path,
        "full_path": request.get_full_path(),
        "secure": request.is_secure(),
        "client": request.META.get("REMOTE_ADDR"),
    }


def sync_view(request):
    return JsonResponse({"kind": "sync", **_where(request)})


async def async_view(request):
    await asyncio.sleep(0)
    return JsonResponse({"kind": "async", "notes": await Note.objects.acount(), **_where(request)})


def notes(request):
    form = NoteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        return redirect("index")
    return render(request, "pages/form.html", {"form": form, "heading": "Write a note"}, status=400 if form.errors else 200)


def upload(request):
    form = DocumentForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        document = form.save()
        digest = hashlib.sha256()
        with document.file.open("rb") as file:
            for block in file.chunks():
                digest.update(block)
        return JsonResponse({"id": document.pk, "size": document.file.size, "sha256": digest.hexdigest()}, status=201)
    return render(request, "pages/form.html", {"form": form, "heading": "Upload a document"}, status=400 if form.errors else 200)


def download(request, document):
    return FileResponse(get_object_or_404(Document, pk=document).file.open("rb"), as_attachment=True)


def _lines(request):
    return min(int(request.GET.get("lines", "5")), 100_000)


def stream(request):
    def lines():
        for number in range(_lines(request)):
            yield f"line {number}\n"

    return StreamingHttpResponse(lines(), content_type="text/plain")


async def stream_async(request):
    async def lines():
        for number in range(_lines(request)):
            yield f"line {number}\n"
            await asyncio.sleep(0)

    return StreamingHttpResponse(lines(), content_type="text/plain")


def visits(request):
    """Counts in the session: a cookie, and a write to the database with each request."""
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JsonResponse({"visits": request.session["visits"]})


def fail(request):
    raise RuntimeError("this view always fails")
