"""Azure Resource Manager: what is told of the deployment, and how it compares with what it is."""
