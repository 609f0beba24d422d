"""magicrune.special: no wide entry opens a special range, and no request widens a policy."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magicrune.netrule import NetRule
from magicrune.special import (
    SPECIAL_RANGES,
    canonical_address,
    covers,
    find_range,
    is_loopback_rule,
    is_one_address,
    is_synthetic,
    reaches,
)

DOCS = (Path(__file__).parents[2] / "docs" / "network.md").read_text()
WIDE = (NetRule.parse("0.0.0.0/0"), NetRule.parse("::/0"), NetRule.parse("::/1"))

SPECIAL = """
0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.9.9.9 168.63.129.16 169.254.169.254
172.16.0.1 172.31.255.255 192.0.0.8 192.0.2.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.1
203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 ::1 ::ffff:10.0.0.1
::ffff:169.254.169.254 64:ff9b::a00:1 64:ff9b:1::1 100::1 2001::1 2001:2::1 2001:db8::1
2002:a00:1::1 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1 4000::1 8000::1
"""
PLAIN = "1.1.1.1 8.8.8.8 100.63.255.255 172.32.0.1 192.0.1.1 198.20.0.1 2606:4700::1111 2a00::1"


@pytest.mark.parametrize("address", SPECIAL.split())
def test_no_wide_entry_opens_a_special_address(address):
    assert find_range(ip_address(address)) is not None
    assert not any(reaches(rule, address, 443) for rule in WIDE)


@pytest.mark.parametrize("address", SPECIAL.split())
def test_an_entry_within_the_range_opens_it(address):
    exact = NetRule.parse(f"[{address}]:443" if ":" in address else f"{address}:443")
    assert reaches(exact, address, 443)
    assert not reaches(exact, address, 444)
    assert reaches(exact, address, None)


@pytest.mark.parametrize("address", PLAIN.split())
def test_the_internet_is_plain(address):
    assert find_range(ip_address(address)) is None
    assert any(reaches(rule, address, 443) for rule in WIDE[:2])


def test_the_smallest_range_counts():
    found = find_range(ip_address("255.255.255.255"))
    assert found is not None
    assert found.name == "broadcast"
    assert not reaches(NetRule.parse("240.0.0.0/4"), "255.255.255.255", 1)
    assert reaches(NetRule.parse("240.0.0.0/4"), "240.0.0.1", 1)
    assert not reaches(NetRule.parse("::/3"), "64:ff9b::a00:1", 1)


def test_names_are_left_to_the_rule():
    assert reaches(NetRule.parse("*.example.com:443"), "a.example.com", 443)
    assert not reaches(NetRule.parse("*.example.com:443"), "example.com", 443)
    assert not reaches(NetRule.parse("0.0.0.0/0"), "a b", 1)


@pytest.mark.parametrize(
    ("ceiling", "wish", "ok"),
    [
        ("0.0.0.0/0", "1.2.3.0/24", True),
        ("0.0.0.0/0", "8.0.0.0/6", True),
        ("0.0.0.0/0", "10.0.0.0/8", False),
        ("0.0.0.0/0", "169.254.169.254:80", False),
        ("0.0.0.0/0", "127.0.0.1", False),
        ("0.0.0.0/0", "::ffff:10.0.0.1", False),
        ("8.0.0.0/6", "10.0.0.1", False),
        ("10.0.0.0/8", "10.1.0.0/16", True),
        ("169.254.0.0/16", "169.254.169.254", True),
        ("::/0", "fd00:ec2::254", False),
        ("::/0", "2600::/12", True),
        ("::/3", "64:ff9b::/96", False),
        ("*.example.com", "a.example.com:443", True),
    ],
)
def test_a_request_does_not_open_what_its_policy_does_not(ceiling, wish, ok):
    assert covers(NetRule.parse(ceiling), NetRule.parse(wish)) is ok


ADDRESSES = st.one_of(st.ip_addresses(), st.sampled_from([ip_address(a) for a in SPECIAL.split()]))


@given(ADDRESSES, st.integers(0, 128), st.integers(0, 128))
def test_what_covers_reaches_all_of_it(address, wide, narrow):
    from ipaddress import ip_network

    address = canonical_address(address)
    wide, narrow = sorted(min(bits, address.max_prefixlen) for bits in (wide, narrow))
    rules = []
    for bits in (wide, narrow):
        network = ip_network((address, bits), strict=False)
        rules.append(NetRule(str(network), None, False, network, (1, 65535)))
    ceiling, wish = rules
    if covers(ceiling, wish) and reaches(wish, address, 80):
        assert reaches(ceiling, address, 80)


def test_every_range_says_where_it_is_from():
    assert all(each.name and each.source for each in SPECIAL_RANGES)
    assert len({each.network for each in SPECIAL_RANGES}) == len(SPECIAL_RANGES)


@pytest.mark.parametrize(
    "entry", ["127.0.0.1", "127.0.0.0/8:80", "[::1]:80", "localhost", "a.localhost"]
)
def test_loopback(entry):
    assert is_loopback_rule(NetRule.parse(entry))


@pytest.mark.parametrize("entry", ["0.0.0.0/0", "126.0.0.0/7", "::/0", "10.0.0.1", "localhost.com"])
def test_not_loopback(entry):
    assert not is_loopback_rule(NetRule.parse(entry))


def test_small_things():
    assert is_one_address(NetRule.parse("10.0.0.1:80"))
    assert not is_one_address(NetRule.parse("10.0.0.0/31"))
    assert not is_one_address(NetRule.parse("example.com"))
    assert is_synthetic(ip_address("198.19.0.1"))
    assert is_synthetic(ip_address("fdff:6d61:6769:63::5"))
    assert not is_synthetic(ip_address("fdff:6d61:6769:64::5"))
    assert canonical_address(ip_address("::ffff:1.2.3.4")) == ip_address("1.2.3.4")


@pytest.mark.parametrize("special", SPECIAL_RANGES, ids=lambda each: str(each.network))
def test_the_docs_have_every_range(special):
    assert f"| `{special.network}` | {special.name} | {special.source} |" in DOCS
