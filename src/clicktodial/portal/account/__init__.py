"""Who somebody is: logging in and out, accounts, passwords, second factors."""
