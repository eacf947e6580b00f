"""What happens on a node of the cluster: an actor starts and watches a worker's process, or makes the policy."""
