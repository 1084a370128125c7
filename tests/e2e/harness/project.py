"""A small Django project, written into the directory of a story."""

SETTINGS = """
SECRET_KEY = "x"
DEBUG = False
ALLOWED_HOSTS = {hosts!r}
ROOT_URLCONF = "urls"
INSTALLED_APPS = []
MIDDLEWARE = []
USE_TZ = True
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}}}
TEMPLATES = [{{"BACKEND": "django.template.backends.django.DjangoTemplates", "OPTIONS": {{"context_processors": {processors!r}}}}}]
"""
URLS = "from django.urls import include, path\nimport views\nurlpatterns = [path('healthz', views.healthz), path('shop/', include('shop.urls'))]\n"
VIEWS = "from django.http import HttpResponse\ndef healthz(request):\n    return HttpResponse('one')\n"
SHOP = "from django.urls import path\nurlpatterns = []\n"
ENTRY = "import os\nos.environ['DJANGO_SETTINGS_MODULE'] = 'settings'\nfrom django.core.{0} import get_{0}_application\napp = get_{0}_application()\n"


def write_project(app, interface="asgi", hosts=("*",), processors=(), entry="", **modules):
    """`entry` comes after the application is made; `modules`: further text, or another text, of a module."""
    texts = {
        "settings": SETTINGS.format(hosts=list(hosts), processors=list(processors)), "urls": URLS, "views": VIEWS,
        "shop/__init__": "", "shop/urls": SHOP, **{name.replace("__", "/"): text for name, text in modules.items()},
    }
    for name, text in texts.items():
        app.write(text, f"{name}.py")
    # Not by the story's own interface: the project's own is used here.
    target = app.path / "entry.py"
    target.write_text(ENTRY.format(interface) + entry)
    return "entry:app"
