from django.urls import path

from benchmarks import views_board, views_runs, views_submissions, views_submit

app_name = "benchmarks"

urlpatterns = [
    path("leaderboard/", views_board.leaderboards, name="leaderboards"),
    path("leaderboard/<slug:slug>/", views_board.board, name="leaderboard"),
    path("leaderboard/<slug:slug>/results.csv", views_board.board_csv, name="leaderboard_csv"),
    path("leaderboard/<slug:slug>/results.json", views_board.board_json, name="leaderboard_json"),
    path("submit/", views_submit.submit, name="submit"),
    path("submit/check/", views_submit.check, name="submit_check"),
    path("submit/estimators/", views_submit.estimators, name="estimators"),
    path("runs/<uuid:public_id>/", views_runs.run, name="run"),
    path("runs/<uuid:public_id>.json", views_runs.run_json, name="run_json"),
    path("runs/<uuid:public_id>/live/", views_runs.live, name="run_live"),
    path("runs/<uuid:public_id>/record.json", views_runs.record, name="run_record"),
    path("runs/<uuid:public_id>/rerun/", views_runs.rerun, name="rerun"),
    path("runs/<uuid:public_id>/cancel/", views_runs.cancel, name="cancel"),
    path("submissions/", views_submissions.submissions, name="submissions"),
    path("submissions/<uuid:public_id>/", views_submissions.submission, name="submission"),
    path("submissions/<uuid:public_id>/state/", views_submissions.change_state, name="submission_state"),
]
