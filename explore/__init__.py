"""FiftyOne over the data and over where models fail: a viewer built from files, never a source.

`fiftyone` takes seconds to import and connects to its database at once, so it is imported inside
functions only, after `mongod.connect` has started a database of the checkout's own.
"""
