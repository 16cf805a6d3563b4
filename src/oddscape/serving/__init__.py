"""``oddscape serve``: a local web page that shows what a detector makes of a picture."""
