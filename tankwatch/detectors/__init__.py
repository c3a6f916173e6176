"""What turns a block into scores, with 1.0 as the threshold of each detector."""
