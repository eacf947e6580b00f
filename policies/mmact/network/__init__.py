"""The networks and how they are read, sized and decoded: transformer, image tokenizer, text tokenizer."""
