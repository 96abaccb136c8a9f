"""Networks on labelled data sets: readers, preprocessing, and the executors by others to compare with."""
