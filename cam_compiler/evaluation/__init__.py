"""Networks on labelled data sets: readers, preprocessing, and third-party executors to compare with."""
