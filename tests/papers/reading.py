"""Tables that the claims have written, without the units in their headers."""

import csv

import numpy as np


def rows(file):
    with file.open(encoding="utf-8") as stream:
        return [{name.split(" [")[0]: value for name, value in row.items()} for row in csv.DictReader(stream)]


def columns(file):
    found = rows(file)
    return {name: np.array([row[name] for row in found]) for name in found[0]}


def numbers(file):
    return {name: values.astype(float) for name, values in columns(file).items()}
