from django.contrib import admin
from django.urls import include, path

from config.health import healthz
from config.views import home

admin.site.site_header = admin.site.site_title = "Humanmark"
admin.site.index_title = "Records"

urlpatterns = [
    path("", home, name="home"),
    path("healthz", healthz, name="healthz"),
    path("", include("annotate.urls")),
    path("", include("benchmarks.urls")),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
]
