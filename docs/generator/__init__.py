"""The pages that the library writes about itself, and the folder that sphinx builds from.

``python -m generator`` (``scripts/site``) copies the pages of ``docs`` and those of the
repository that belong to them (changelog, contributing, benchmarks) into one folder, writes
beside them a page for each scheme, recipe and kind of finding and for the command line, and has
sphinx build the site. Nothing on these pages is written by hand: formulas, sources, arguments
and code are those of the classes, numbers and pictures come from running them.
"""
