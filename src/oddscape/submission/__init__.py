"""Folders as SegmentMeIfYouCan and Fishyscapes take them: making one, and checking one before it is sent."""

from oddscape.submission.checking import SubmissionReport, check_submission
from oddscape.submission.kinds import SUBMISSIONS, SubmissionKind, find_kind
from oddscape.submission.making import Frame, frames_folder, make_submission
from oddscape.submission.pictures import frame_id, pictures_by_id

__all__ = [
    "SUBMISSIONS",
    "Frame",
    "SubmissionKind",
    "SubmissionReport",
    "check_submission",
    "find_kind",
    "frame_id",
    "frames_folder",
    "make_submission",
    "pictures_by_id",
]
