from django.urls import path

from annotate import views_labelling, views_studies

app_name = "annotate"

urlpatterns = [
    path("studies/", views_studies.studies, name="studies"),
    path("studies/new/", views_studies.new_study, name="new_study"),
    path("studies/<str:link_key>/", views_studies.study, name="study"),
    path("studies/<str:link_key>/open/", views_studies.open_view, name="open"),
    path("studies/<str:link_key>/pause/", views_studies.pause_view, name="pause"),
    path("studies/<str:link_key>/close/", views_studies.close_view, name="close"),
    path("studies/<str:link_key>/annotations.csv", views_studies.annotations_csv, name="annotations_csv"),
    path("label/<str:link_key>/", views_labelling.consent, name="consent"),
    path("label/<str:link_key>/classes/", views_labelling.classes, name="classes"),
    path("label/<str:link_key>/images/", views_labelling.label, name="label"),
    path("label/<str:link_key>/answers/", views_labelling.answers, name="answers"),
    path("label/<str:link_key>/thanks/", views_labelling.thanks, name="thanks"),
]
