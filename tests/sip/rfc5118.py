"""The messages of RFC 5118, each under the name that the RFC gives it.

Its archive ends lines in LF and leaves out the empty line of two messages: here lines end as on
the wire (RFC 3261 §7).  The Content-Length of §4.6, §4.8 and §4.9 fits neither form; it is kept.
"""

from typing import Final

_REST: Final = """To: sip:user@example.com
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
"""
_CONTACT: Final = 'Contact: "Caller" <sip:caller@[2001:db8::1]>\n'
_REGISTER: Final = "CSeq: 98176 REGISTER\nContent-Length: 0\n\n"
_TIMES: Final = "t=3338481189 3370017201\nm=audio 6000 RTP/AVP 2\na=rtpmap:2 G726-32/8000\n"
_VIDEO: Final = "m=video 6024 RTP/AVP 107\na=rtpmap:107 H263-1998/90000\n"

_TEXTS: Final = {
    "ipv6-good": "REGISTER sip:[2001:db8::10] SIP/2.0\n"
    + _REST
    + "Max-Forwards: 70\n"
    + _CONTACT
    + _REGISTER,
    "ipv6-bad": "REGISTER sip:2001:db8::10 SIP/2.0\n"
    + _REST
    + "Max-Forwards: 70\n"
    + _CONTACT
    + _REGISTER,
    "port-ambiguous": "REGISTER sip:[2001:db8::10:5070] SIP/2.0\n"
    + _REST
    + _CONTACT
    + "Max-Forwards: 70\n"
    + _REGISTER,
    "port-unambiguous": "REGISTER sip:[2001:db8::10]:5070 SIP/2.0\n"
    + _REST
    + _CONTACT
    + "Max-Forwards: 70\n"
    + _REGISTER,
    "via-received-param-with-delim": """BYE sip:[2001:db8::10] SIP/2.0
To: sip:user@example.com;tag=bd76ya
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Max-Forwards: 70
CSeq: 321 BYE
Content-Length: 0

""",
    "via-received-param-no-delim": """OPTIONS sip:[2001:db8::10] SIP/2.0
To: sip:user@example.com
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3
Call-ID: SSG95523997077@hlau_4100
Max-Forwards: 70
Contact: "Caller" <sip:caller@[2001:db8::9:1]>
CSeq: 921 OPTIONS
Content-Length: 0

""",
    "ipv6-in-sdp": """INVITE sip:user@[2001:db8::10] SIP/2.0
To: sip:user@[2001:db8::10]
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::20];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Contact: "Caller" <sip:caller@[2001:db8::20]>
CSeq: 8612 INVITE
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: 268

v=0
o=assistant 971731711378798081 0 IN IP6 2001:db8::20
s=Live video feed for today's meeting
c=IN IP6 2001:db8::20
"""
    + _TIMES
    + _VIDEO,
    "mult-ip-in-header": """BYE sip:user@host.example.net SIP/2.0
Via: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144
Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200
Call-ID: 997077@lau_4100
Max-Forwards: 70
CSeq: 89187 BYE
To: sip:user@example.net;tag=9817--94
From: sip:user@example.com;tag=81x2
Content-Length: 0

""",
    "mult-ip-in-sdp": """INVITE sip:user@[2001:db8::10] SIP/2.0
To: sip:user@[2001:db8::10]
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Contact: "Caller" <sip:caller@[2001:db8::9:1]>
Max-Forwards: 70
CSeq: 8912 INVITE
Content-Type: application/sdp
Content-Length: 181

v=0
o=bob 280744730 28977631 IN IP4 host.example.com
s=
t=0 0
m=audio 22334 RTP/AVP 0
c=IN IP4 192.0.2.1
m=video 6024 RTP/AVP 107
c=IN IP6 2001:db8::1
a=rtpmap:107 H263-1998/90000
""",
    "ipv4-mapped-ipv6": """INVITE sip:user@example.com SIP/2.0
To: sip:user@example.com
From: sip:user@east.example.com;tag=81x2
Via: SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19
Via: SIP/2.0/UDP [::ffff:192.0.2.2];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Contact: "T. desk phone" <sip:ted@[::ffff:192.0.2.2]>
CSeq: 612 INVITE
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: 236

v=0
o=assistant 971731711378798081 0 IN IP6 ::ffff:192.0.2.2
s=Call me soon, please!
c=IN IP6 ::ffff:192.0.2.2
"""
    + _TIMES
    + _VIDEO,
    **{
        name: f"""OPTIONS sip:user@{host} SIP/2.0
To: sip:user@{host}
From: sip:user@example.com;tag=810x2
Via: SIP/2.0/UDP lab1.east.example.com;branch=z9hG4bKas3-111
Call-ID: G9559905523997077@hlau_4100
CSeq: 689 OPTIONS
Max-Forwards: 70
Content-Length: 0

"""
        for name, host in (
            ("ipv6-bug-abnf-3-colons", "[2001:db8:::192.0.2.1]"),
            ("ipv6-correct-abnf-2-colons", "[2001:db8::192.0.2.1]"),
        )
    },
}

MESSAGES: Final = {name: text.replace("\n", "\r\n").encode() for name, text in _TEXTS.items()}
