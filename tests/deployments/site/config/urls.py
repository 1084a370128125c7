from django.urls import path
from shop import views

urlpatterns = [path("", views.count), path("upload", views.upload), path("task", views.begin), path("task/<uuid:task>", views.task), path("ticks", views.ticks)]
