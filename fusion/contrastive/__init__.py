"""CILP: pre-train an RGB encoder against LiDAR, project it, borrow a LiDAR classifier for RGB.

Stages (`pipeline.py`), each with its own W&B run: a LiDAR classifier; two embedders trained
contrastively; a projector from the RGB embedding to the classifier's convolutional embedding; the
RGB classifier composed of the three, as it is and fine-tuned; an RGB classifier from scratch.
"""
