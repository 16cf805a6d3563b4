"""Training: one loop for closed-set segmentation, DenseHybrid and DiCNet."""
