"""What asking a policy costs: time, memory and arithmetic of a query, against its size.

Built on made-up observations: no simulator is started. PyTorch is used if the policy has imported it, and only then.
"""
