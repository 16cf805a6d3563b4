"""Predictions of many pictures and videos as files: what there is, what is written, what was done before."""
