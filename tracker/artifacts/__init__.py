"""Artifacts: versions, their files and manifests, collections, lineage."""
