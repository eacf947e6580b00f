"""What watches a rollout and changes nothing of it: videos, transcripts, scores of what a policy said or drew."""
