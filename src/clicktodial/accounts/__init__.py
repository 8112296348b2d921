"""People and business: users, enterprises, applications, numbers, members, support."""
