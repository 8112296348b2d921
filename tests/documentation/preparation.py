"""What pages take for granted, as shell: a note before a block names it.

`$API`, `$TOKEN` and `$APP` are there in each session: the management API, its token, and the
credential of the application 12345678, which all pages share; `until_so COMMAND` waits.
"""

_TONE = """
python - <<'PYTHON'
import math, struct, wave
with wave.open("notice.wav", "wb") as out:
    out.setparams((1, 2, 8000, 0, "NONE", ""))
    out.writeframes(b"".join(struct.pack("<h", int(8000 * math.sin(n / 3))) for n in range(20000)))
PYTHON
"""

# Whether the server, too, has all that a call needs: it takes a change up within a second.
_MAY_CALL = """
cat > forecast.json <<'JSON'
{"caller": "13912345673", "callee": "13810268606", "sponsor": "01052680000"}
JSON
may_call() {
    command curl -s -u CREDENTIAL $API/calls/forecast -d @forecast.json | jq -e .is_possible
}
until_so 'may_call >/dev/null'
"""

PREPARATIONS = {
    "the tutorial may call": _MAY_CALL.replace("CREDENTIAL", "20260001:Secretkey"),
    "the readme may call": _MAY_CALL.replace("CREDENTIAL", "20260002:SECRETKEY"),
    "the call is over, and told": """
told() { curl http://127.0.0.1:9000/events | jq -r '.events[] | select(.callidentifier == "CALL_ID")
    .notification.status'; }
until_so 'told | grep -q Disconnected'
""",
    "a call that is connected": """
CALL=$(curl -u $APP $API/calls -d '{"caller": "13912345673", "callee": "13810268653",
  "sponsor": "01052680000", "record": true}' | jq -r .call_id)
until_so '[ $(state_of $CALL) = connected ]'
""",
    "a call that has ended": """
CALL=$(curl -u $APP $API/calls -d '{"caller": "13912345601", "callee": "13810268653",
  "sponsor": "01052680000"}' | jq -r .call_id)
until_so '[ $(state_of $CALL) = ended ]'
""",
    "a call that was recorded": """
CALL=$(curl -u $APP $API/calls -d '{"caller": "13912345673", "callee": "13810268653",
  "sponsor": "01052680000", "record": true}' | jq -r .call_id)
until_so '[ $(state_of $CALL) = connected ]'
curl -u $APP -X POST $API/calls/$CALL/release
until_so '[ $(state_of $CALL) = ended ]'
RECORDING=$(curl -u $APP $API/calls/$CALL | jq -r .recording.recording_id)
""",
    "calls of two seconds": """
curl -H "Authorization: Bearer $TOKEN" -X PATCH $API/enterprises/default/limits \\
    -d '{"max_duration_s": 2}'
""",
    "an access token": """
TOKEN=$(curl -u $APP $API/../../oauth/token -d grant_type=client_credentials | jq -r .access_token)
""",
    "a key set": """
python - <<'PYTHON'
import json
from pathlib import Path
from joserfc.jwk import RSAKey
key = RSAKey.generate_key(2048, parameters={"kid": "1"})
Path("key.pem").write_bytes(key.as_pem(private=True))
Path("jwks.json").write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
PYTHON
""",
    "the server knows the key set": """
jq '{jwks: .}' jwks.json |
    curl -H "Authorization: Bearer $TOKEN" -X PATCH $API/applications/12345678/oauth -d @-
""",
    "a data directory": """
export CLICKTODIAL_STORAGE__DATA_DIR=$PWD/clicktodial-data
clicktodial app create --sponsor 01052680000
""",
    "the enterprise acme": "clicktodial enterprise create acme --name Acme\n",
    "the mail": """
first_mail() { curl -H "Authorization: Bearer $TOKEN" $API/mail | jq -r '.mails[0].mail_id'; }
until_so '[ $(first_mail) != null ]'
curl -H "Authorization: Bearer $TOKEN" $API/mail/$(first_mail)
""",
    "numbers in stock": """
clicktodial number add 01052680010 --city Beijing
""",
    "secrets of trunks": "echo provider-secret > provider.secret\n",
    "a certificate": """
mkdir -p etc
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 \\
    -subj /CN=us.example -keyout etc/us.key -out etc/us.pem 2>/dev/null
""",
    "an audio file": _TONE,
    "music": _TONE + 'curl -H "Authorization: Bearer $TOKEN" -T notice.wav $API/audio/music\n',
    "a list of members": "printf 'number,name\\n13912345674,Han Meimei\\n' > members.csv\n",
}
