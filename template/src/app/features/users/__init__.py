"""Users: the accounts that can sign in."""
