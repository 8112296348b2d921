"""The torture messages of RFC 4475, each by its name there.

Each is what its section describes, written anew for our address. What matters is that valid
ones are understood, invalid ones do no harm, and nothing is ever raised.
"""

import pytest
from tests.sip.support import create_harness, describe, header_lines, summaries

from clicktodial.domain.media import PCMA
from clicktodial.sip.error import MalformedMessage
from clicktodial.sip.message import parse_message

SDP = describe(PCMA)


def message(start: str, *lines: str, body: bytes = b"") -> bytes:
    return "\r\n".join([start, *lines, "", ""]).encode("utf-8", "surrogateescape") + body


def request(
    start: str,
    *lines: str,
    via: str = "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKtorture",
    sender: str = "<sip:caller@example.net>;tag=1",
    to: str = "<sip:user@example.com>",
    call_id: str = "torture@192.0.2.2",
    cseq: str = "",
    body: bytes = b"",
) -> bytes:
    return message(
        start,
        f"Via: {via}",
        f"From: {sender}",
        f"To: {to}",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq or '8 ' + start.partition(' ')[0]}",
        "Max-Forwards: 70",
        "Contact: <sip:caller@192.0.2.2>",
        *lines,
        body=body,
    )


WSINV = message(
    "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0",
    "TO :",
    " sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n",
    'from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>',
    "  ;",
    "  tag = 98asjd8",
    "MaX-fOrWaRdS: 0068",
    "Call-ID: wsinv.ndaksdj@192.0.2.1",
    f"Content-Length   : {len(SDP)}",
    "cseq: 0009",
    "  INVITE",
    "Via  : SIP  /   2.0",
    " /UDP",
    "    192.0.2.2;branch=390skdjuw",
    "s :",
    "NewFangledHeader:   newfangled value",
    " continued newfangled value",
    "UnknownHeaderWithUnusualValue: ;;,,;;,;",
    "Content-Type: application/sdp",
    "Route:",
    " <sip:services.example.com;lr;unknownwith=value;unknown-no-value>",
    "v:  SIP  / 2.0  / TCP     spindle.example.com   ;",
    "  branch  =   z9hG4bK9ikj8  ,",
    " SIP  /    2.0   / UDP  192.168.255.111   ; branch=",
    " z9hG4bK30239",
    'm:"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =',
    "      newvalue ;",
    "  secondparam ; q = 0.33",
    body=SDP,
)


def test_wsinv_is_understood_in_every_part() -> None:
    parsed = parse_message(WSINV)
    assert (parsed.method, parsed.cseq, parsed.defect) == ("INVITE", 9, None)
    assert (parsed.from_tag, parsed.to_tag) == ("98asjd8", "1918181833n")
    assert parsed.branch == "390skdjuw"
    assert parsed.get_count("Max-Forwards") == 68
    assert parsed.body == SDP
    assert len(parsed.via_headers) == 2
    # The To tag names a dialog that does not exist.
    harness = create_harness()
    [response] = harness.receive(WSINV)
    assert response.startswith(b"SIP/2.0 481 ")
    assert len(header_lines(response, "Via")) == 2


VALID = {
    "intmeth": request(
        "!interesting-Method0123456789_*+`.%indeed'~ "
        "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too."
        "(doesn't-it)@example.com SIP/2.0",
        'Bad-extension: "',
        sender='=?iso-8859-1?Q?=22?= "BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" '
        "<sip:1_unusual.URI@example.com>;tag=_token~1'+`*%!-.",
        call_id="intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{",
    ),
    "esc01": request(
        "INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0", "Content-Length: 0"
    ),
    "escnull": request(
        "OPTIONS sip:null-%00-null@example.com SIP/2.0", sender="sip:n-%00-n@example.com;tag=8"
    ),
    "esc02": request("RE%47IST%45R sip:registrar.example.com SIP/2.0"),
    "lwsdisp": request("OPTIONS sip:u@e.com SIP/2.0", sender="caller<sip:c@example.com>;tag=3"),
    "longreq": request(
        "OPTIONS sip:u@e.com SIP/2.0",
        "Unknown-" + "Long" * 200 + ": " + "value" * 200,
        sender='"'
        + "I have a user name of extreme proportions" * 10
        + '" <sip:a@b>;tag='
        + "t" * 300,
        call_id="longreq." + "onereallylongcallid" * 40,
        via="SIP/2.0/TCP sip33.example.com;branch=z9hG4bK" + "v" * 200 + ", SIP/2.0/UDP 192.0.2.4",
    ),
    "dblreq": request("OPTIONS sip:u@e.com SIP/2.0", "Content-Length: 0")
    + request("INVITE sip:joe@example.com SIP/2.0"),
    "semiuri": request("OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0"),
    "transports": request(
        "OPTIONS sip:u@e.com SIP/2.0",
        "Via: SIP/2.0/SCTP t2.example.com;branch=z9hG4bKzzxmnbvqxx2",
        "Via: SIP/2.0/TLS t3.example.com;branch=z9hG4bKaafmnbvqxx3",
        "Via: SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKasd",
    ),
    "noreason": request("OPTIONS sip:u@e.com SIP/2.0"),
}


@pytest.mark.parametrize("name", VALID)
def test_valid_torture_request_is_answered(name: str) -> None:
    harness = create_harness()
    sent = harness.receive(VALID[name])
    assert len(sent) == 1, sent
    assert harness.agent.counters.malformed == 0


@pytest.mark.parametrize(
    "start", ["SIP/2.0 200 ", "SIP/2.0 200 = 2**3 * 5**2 \u043d\u043e \u0441\u0442\u043e"]
)
def test_noreason_and_unreason_are_read(start: str) -> None:
    assert parse_message(request(start, cseq="35 INVITE")).status == 200


INVALID = {
    "badinv01": (
        "100",
        request(
            "INVITE sip:u@e.com SIP/2.0",
            'Contact: "Joe" <sip:joe@example.org>;;;;',
            via="SIP/2.0/UDP 192.0.2.15;;,;,,",
        ),
    ),
    "clerr": ("400", request("INVITE sip:u@e.com SIP/2.0", "Content-Length: 9999", body=SDP)),
    "ncl": ("", request("INVITE sip:u@e.com SIP/2.0", "Content-Length: -999", body=SDP)),
    "scalar02": (
        "",
        request("REGISTER sip:example.com SIP/2.0", cseq="36893488147419103232 REGISTER"),
    ),
    "scalarlg": (
        "",
        request("SIP/2.0 503 Service Unavailable", cseq="9292394834772304023312 OPTIONS"),
    ),
    "quotbal": ("200", request("OPTIONS sip:u@e.com SIP/2.0", 'To2: "Mr. J. <sip:j@e.com>')),
    "ltgtruri": ("400", request("INVITE <sip:user@example.com> SIP/2.0")),
    "lwsruri": ("400", request("INVITE sip:user@example.com; lr SIP/2.0")),
    "lwsstart": ("405", request("REGISTER  sip:user@example.com  SIP/2.0")),
    "trws": ("200", request("OPTIONS sip:remote@example.com SIP/2.0  ")),
    "escruri": (
        "400 100",
        request("INVITE sip:user@example.com?Route=%3Csip:sip.example.com%3E SIP/2.0"),
    ),
    "baddate": (
        "200",
        request("OPTIONS sip:u@e.com SIP/2.0", "Date: Fri, 01 Jan 2010 16:00:00 EST"),
    ),
    "regbadct": (
        "405",
        request("REGISTER sip:example.com SIP/2.0", "Contact: sip:user@example.com?Route=%3C>"),
    ),
    "badaspec": (
        "200",
        request("OPTIONS sip:user@example.org SIP/2.0", to='"Watson" < sip:t@example.org >'),
    ),
    "baddn": (
        "200",
        request("OPTIONS sip:t@example.org SIP/2.0", sender="Bell, Alexander <sip:a@b>;tag=43"),
    ),
    "badvers": ("505", request("OPTIONS sip:t@example.org SIP/7.0")),
    "mismatch01": ("400", request("OPTIONS sip:t@example.org SIP/2.0", cseq="8 INVITE")),
    "mismatch02": ("400", request("NEWMETHOD sip:u@e.com SIP/2.0", cseq="8 INVITE")),
    "bigcode": ("", request("SIP/2.0 4294967301 better not break the receiver", cseq="8 INVITE")),
    "badbranch": (
        "200",
        request("OPTIONS sip:u@e.com SIP/2.0", via="SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK"),
    ),
    "insuf": ("", message("INVITE sip:u@e.com SIP/2.0", "CSeq: 193942 INVITE", "l: 0")),
    "unkscm": ("416", request("OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0")),
    "novelsc": ("416", request("OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0")),
    "unksm2": ("405", request("REGISTER sip:example.com SIP/2.0", to="isbn:2983792873")),
    "bext01": (
        "420",
        request("OPTIONS sip:u@e.com SIP/2.0", "Require: nothingSupportsThis, norThis"),
    ),
    "invut": (
        "415",
        request(
            "INVITE sip:u@e.com SIP/2.0", "Content-Type: application/unknownformat", body=b"<x/>"
        ),
    ),
    "multi01": (
        "",
        request("INVITE sip:user@company.com SIP/2.0", "Call-ID: other", "CSeq: 59 INVITE"),
    ),
    "mcl01": (
        "",
        request("OPTIONS sip:u@e.com SIP/2.0", "Content-Length: 13", "Content-Length: 5"),
    ),
    "bcast": (
        "",
        request(
            "SIP/2.0 200 OK", via="SIP/2.0/UDP 255.255.255.255;branch=1saber23", cseq="8 OPTIONS"
        ),
    ),
    "zeromf": ("483", request("OPTIONS sip:u@e.com SIP/2.0").replace(b"ards: 70", b"ards: 0")),
    "inv2543": (
        "100",
        message(
            "INVITE sip:UserB@example.com SIP/2.0",
            "Via: SIP/2.0/UDP iftgw.example.com",
            "From: <sip:+13035551111@ift.client.example.net;user=phone>",
            "Record-Route: <sip:UserB@example.com;maddr=ss1.example.com>",
            "To: sip:+16505552222@ss1.example.net;user=phone",
            "Call-ID: inv2543.1717@ift.client.example.com",
            "CSeq: 56 INVITE",
            "Content-Type: application/sdp",
            body=SDP,
        ),
    ),
}


@pytest.mark.parametrize("name", INVALID)
def test_invalid_torture_message_is_refused_or_dropped(name: str) -> None:
    statuses, data = INVALID[name]
    harness = create_harness()
    sent = harness.receive(data)
    if statuses:
        assert [response.split(b" ")[1].decode() in statuses.split() for response in sent] == [True]
    else:
        assert sent == []
        counters = harness.agent.counters
        assert counters.malformed + counters.stray == 1


@pytest.mark.parametrize(
    "data", [*VALID.values(), *(data for _, data in INVALID.values()), WSINV], ids=lambda _: ""
)
def test_torture_message_cut_anywhere_does_no_harm(data: bytes) -> None:
    harness = create_harness()
    for end in range(0, len(data), 7):
        harness.receive(data[:end])
    harness.advance(700.0)
    assert harness.agent.session_count == 0
    assert harness.agent.transaction_count == 0


def test_malformed_is_the_only_error_of_reading() -> None:
    for _, data in INVALID.values():
        try:
            parse_message(data)
        except MalformedMessage as error:
            assert str(error)
    assert summaries([]) == []
