"""What the models of the LLaDA family share."""
