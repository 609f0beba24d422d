"""magicrune.netrule and magicrune.hosts: what an entry of an allowlist means, exactly."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magicrune.errors import PatternInvalid
from magicrune.hosts import canonical_host
from magicrune.netrule import Destination, NetRule, parse_destination


@pytest.mark.parametrize(
    ("entry", "inside", "outside"),
    [
        (
            "example.com",
            [("example.com", 1), ("EXAMPLE.com.", 65535)],
            [("www.example.com", 1), ("xexample.com", 1), ("example.com", 0), ("example.co", 1)],
        ),
        (
            "*.example.com:443",
            [("a.example.com", 443), ("a.b.Example.Com.", 443)],
            [
                *(("example.com", 443), ("xexample.com", 443), ("a.example.com", 444)),
                *((".example.com", 443), ("a.example.com.evil.test", 443), ("a..example.com", 443)),
            ],
        ),
        (
            "127.0.0.1:8080-8090",
            [("127.0.0.1", 8080), ("127.0.0.1", 8090), ("::ffff:127.0.0.1", 8085)],
            [("127.0.0.1", 8079), ("127.0.0.1", 8091), ("127.0.0.2", 8080), ("localhost", 8080)],
        ),
        (
            "127.0.0.0/8",
            [
                *(("127.1", 80), ("0177.0.0.1", 80), ("0x7f.1", 80), ("2130706433", 80)),
                *(("[::ffff:7f00:1]", 80), ("127.0.0.1.", 80), ("\uff11\uff12\uff17.0.0.1", 80)),
            ],
            [("128.0.0.1", 80), ("::1", 80), ("::127.0.0.1", 80), ("0.0.0.0", 80), ("0", 80)],
        ),
        (
            "2001:db8::/32",
            [("2001:db8::1", 9), ("[2001:DB8:0::1]", 9)],
            [("2001:db9::1", 9), ("10.0.0.1", 9), ("2001:db8::1%eth0", 9)],
        ),
        ("[2001:db8::1]:443", [("2001:db8::1", 443)], [("2001:db8::1", 80), ("2001:db8::2", 443)]),
        ("[::1]", [("::1", 5), ("0:0:0:0:0:0:0:1", 5)], [("127.0.0.1", 5), ("::", 5)]),
        ("::ffff:10.0.0.0/104", [("10.9.9.9", 1), ("::ffff:10.1.1.1", 1)], [("11.0.0.1", 1)]),
        ("0.0.0.0/0", [("8.8.8.8", 53)], [("0.0.0.0", 53), ("::1", 53), ("example.com", 53)]),
        (
            "::/0",
            [("2001:db8::1", 53), ("::1", 53)],
            [("8.8.8.8", 53), ("::", 53), ("::8.8.8.8", 1)],
        ),
        (
            "bücher.example",
            [("xn--bcher-kva.example", 1), ("BÜCHER.example", 1), ("bu\u0308cher.example", 1)],
            [("bucher.example", 1)],
        ),
        ("db_1", [("DB_1", 5432)], [("db-1", 5432)]),
        ("faß.de", [("xn--fa-hia.de", 1)], [("fass.de", 1)]),
        ("example。com", [("example.com", 1)], []),
    ],
)
def test_entries_match_what_they_say_and_no_more(entry, inside, outside):
    rule = NetRule.parse(entry)
    assert [each for each in inside if not rule.matches(*each)] == []
    assert [each for each in outside if rule.matches(*each)] == []


@pytest.mark.parametrize(
    ("entry", "hint"),
    [
        ("*", "*.NAME"),
        ("*.com", "*.example.com"),
        ("*.co.uk", "*.example.com"),
        ("*.github.io", "*.example.com"),
        ("a.*.example.com", "*.NAME"),
        ("*example.com", "*.NAME"),
        ("*.*.example.com", "*.NAME"),
        ("*.10.0.0.1", "CIDR"),
        ("127.1", "write 127.0.0.1"),
        ("0177.0.0.1", "write 127.0.0.1"),
        ("0x7f000001", "write 127.0.0.1"),
        ("2130706433", "write 127.0.0.1"),
        ("10.0.0.1.", "write 10.0.0.1"),
        ("\uff11\uff10.0.0.1", "write 10.0.0.1"),
        ("10.0.0.1/8", "write 10.0.0.0/8"),
        ("2001:db8::1/32", "write 2001:db8::/32"),
        ("::10.0.0.1", "IPv4"),
        ("0.0.0.0", "0.0.0.0/0"),
        ("https://example.com", "HOST"),
        ("example.com/path", "HOST"),
        ("user@example.com", "HOST"),
        ("fe80::1%eth0", "HOST"),
        ("example.com:0", ":443"),
        ("example.com:65536", ":443"),
        ("example.com:443-80", ":443"),
        ("example.com:https", ":443"),
        ("example.com:080", ":443"),
        ("example.com:", ":443"),
    ],
)
def test_refused_entries_come_with_the_way_out(entry, hint):
    with pytest.raises(PatternInvalid) as caught:
        NetRule.parse(entry, where="here")
    assert hint in caught.value.hint
    assert caught.value.where == "here"


@pytest.mark.parametrize(
    "entry",
    [
        *("", " ", "a b", "a\nb", "a\0", "..", ".", "a..b", "-a.b", "a-.b", "foo.123", "256.1.1.1"),
        *(
            "10.0.0.0/33",
            "10.0.0.0/08",
            "10.0.0.0/255.0.0.0",
            "::/129",
            "[::1",
            "::1]",
            "[]",
            "[a]",
        ),
        *(
            "[10.0.0.1]:80",
            "[::1]x",
            "[[::1]]",
            "a" * 64 + ".com",
            "a." * 200,
            "xn--a",
            "☃.example",
        ),
        *(
            "a\u2024b.com/",
            "a\uff0fb.example",
            "\u202eexample.com",
            "1:2",
            ":80",
            "e\ud800.com",
            "x" * 301,
        ),
    ],
)
def test_garbage_is_refused(entry):
    with pytest.raises(PatternInvalid):
        NetRule.parse(entry)


HOSTS = st.sampled_from(
    "example.com a.example.com b.a.example.com xexample.com 10.0.0.1 10.1.0.1 11.0.0.1 "
    "2001:db8::1 2001:db8:1::1 ::1 127.0.0.1 ::ffff:10.0.0.1 0.0.0.0".split()
)
RULES = st.builds(
    lambda host, ports: f"[{host}]{ports}" if ":" in host else host + ports,
    st.sampled_from(
        "example.com *.example.com *.a.example.com a.example.com 10.0.0.0/8 10.0.0.1 10.0.0.0/16 "
        "2001:db8::/32 2001:db8:1::/48 ::/0 0.0.0.0/0 ::ffff:10.0.0.0/104".split()
    ),
    st.sampled_from(["", ":443", ":400-500", ":443-444"]),
).map(NetRule.parse)


@given(RULES, RULES, HOSTS, st.sampled_from([1, 400, 443, 444, 500, 501, 65535]))
@settings(max_examples=300)
def test_a_covering_rule_matches_all_that_the_covered_one_matches(outer, inner, host, port):
    assert outer.covers(outer)
    if outer.covers(inner) and inner.matches(host, port):
        assert outer.matches(host, port)


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [
        ("*.example.com", "a.example.com", True),
        ("*.example.com", "*.a.example.com", True),
        ("*.example.com", "*.example.com:443", True),
        ("*.example.com:443", "*.example.com", False),
        ("*.example.com", "example.com", False),
        ("example.com", "*.example.com", False),
        ("a.example.com", "*.a.example.com", False),
        ("10.0.0.0/8", "10.1.0.0/16:80", True),
        ("10.1.0.0/16", "10.0.0.0/8", False),
        ("10.0.0.0/8", "::ffff:10.0.0.1", True),
        ("::/0", "10.0.0.1", False),
        ("0.0.0.0/0", "::1", False),
        ("10.0.0.0/8", "example.com", False),
        ("example.com", "10.0.0.1", False),
        ("example.com:80-90", "example.com:85-90", True),
        ("example.com:80-90", "example.com:85-91", False),
    ],
)
def test_covers(outer, inner, expected):
    assert NetRule.parse(outer).covers(NetRule.parse(inner)) is expected


@given(st.integers(0, 2**32 - 1), st.data())
def test_all_spellings_of_an_ipv4_address_are_one_host(number, data):
    address = IPv4Address(number)
    a, b, c, d = number >> 24, number >> 16 & 255, number >> 8 & 255, number & 255
    spelling = data.draw(
        st.sampled_from(
            [
                *(
                    str(address),
                    f"{number}",
                    f"{number:#x}",
                    f"0{number:o}",
                    f"{a}.{number & 0xFFFFFF}",
                ),
                *(f"{a:#x}.0{b:o}.{c << 8 | d}", f"{a:#X}.{b}.{c}.{d}.", f"::ffff:{address}"),
                f"[::FFFF:{number >> 16:x}:{number & 0xFFFF:x}]",
            ]
        )
    )
    assert canonical_host(spelling) == address


@given(st.integers(0, 2**128 - 1), st.integers(8, 128))
def test_ipv6_entries_hold_what_the_network_holds(number, prefix):
    network = ip_network((number, prefix), strict=False)
    try:
        rule = NetRule.parse(str(network))
    except PatternInvalid:
        return  # unspecified or IPv4-compatible
    address = IPv6Address(number)
    if address.ipv4_mapped is None and address not in ip_network("::/96"):
        assert rule.matches(str(address), 1)


@given(st.text(max_size=40))
@settings(max_examples=200)
def test_any_text_is_a_rule_or_our_error(text):
    with contextlib.suppress(PatternInvalid):
        rule = NetRule.parse(text)
        assert rule.covers(rule)
    with contextlib.suppress(PatternInvalid):
        assert parse_destination(text).host == str(canonical_host(parse_destination(text).host))


@given(st.text(max_size=30), st.integers(-1, 70000))
def test_matching_never_fails(host, port):
    assert NetRule.parse("example.com").matches(host, port) in (True, False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://user:pw@Example.com/a?b#c", "example.com:443"),
        ("http://example.com:8080/", "example.com:8080"),
        ("http://example.com\\@evil.test/", "example.com:80"),
        ("http://good.test@evil.test/", "evil.test:80"),
        ("http://2130706433", "127.0.0.1:80"),
        ("http://[::1]:81/x", "[::1]:81"),
        ("git+ssh://git@example.com/x", "example.com:22"),
        ("example.com", "example.com"),
        ("example.com:5", "example.com:5"),
        ("2001:db8::1", "[2001:db8::1]"),
    ],
)
def test_destinations(text, expected):
    assert str(parse_destination(text)) == expected


@pytest.mark.parametrize(
    "text", ["", "file:///etc/passwd", "data:,x", "http://", "http://a:b/", "h:99999"]
)
def test_what_is_no_destination_is_refused(text):
    with pytest.raises(PatternInvalid):
        parse_destination(text)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *(("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True)),
        *(("a.localhost", True), ("example.com", False), ("10.0.0.1", False), ("??", False)),
    ],
)
def test_loopback(host, expected):
    assert Destination(host, 80).is_loopback is expected
