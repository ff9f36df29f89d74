"""Images and where they come from: files, pairs of files, and streams of batches."""
