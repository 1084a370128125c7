"""All addresses of the example."""

from django.contrib import admin
from django.urls import path

from pages import views

urlpatterns = [
    path("", views.index, name="index"),
    path("healthz", views.healthz, name="healthz"),
    path("sync/", views.sync_view, name="sync"),
    path("async/", views.async_view, name="async"),
    path("notes/", views.notes, name="notes"),
    path("upload/", views.upload, name="upload"),
    path("documents/<int:document>/", views.download, name="download"),
    path("stream/", views.stream, name="stream"),
    path("stream/async/", views.stream_async, name="stream-async"),
    path("visits/", views.visits, name="visits"),
    path("fail/", views.fail, name="fail"),
    path("admin/", admin.site.urls),
]
