"""Where the authorization server is found."""

BASE_PATH = "/oauth"
TOKEN_PATH = f"{BASE_PATH}/token"
INTROSPECTION_PATH = f"{BASE_PATH}/introspect"
REVOCATION_PATH = f"{BASE_PATH}/revoke"
JWKS_PATH = f"{BASE_PATH}/jwks"
DOCUMENT_PATH = f"{BASE_PATH}/openapi.json"
METADATA_PATH = "/.well-known/oauth-authorization-server"
# For libraries that look nowhere else; there are no people to log in, and no ID tokens.
OPENID_PATH = "/.well-known/openid-configuration"
