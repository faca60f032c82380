"""Microsoft Graph: its metadata and permissions, and how the product measures up to them."""
