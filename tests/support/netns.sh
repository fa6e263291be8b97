# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Network namespaces and veth pairs for live tests and recordings. Source it; needs root, iproute2 and ethtool.
#
#   netns_begin NAME            a unique prefix for this run; everything made below goes away at exit (also on a signal)
#   netns_add A                 makes a namespace, prints nothing; its real name is "$(netns_name A)"
#   netns_link A ifA B ifB      a quiet veth pair between two namespaces: offloads off, no IPv6 noise, both ends up
#   netns_addresses A if 192.0.2.1/24 2001:db8::1/64 ...
#   netns_run A command ...     runs in the namespace
#   netns_background A command  the same in the background; ended at exit. Its process id is in $netns_pid
#   netns_wait_port A tcp|udp PORT [SECONDS]
#   netns_packets A if          packets the interface has received (for exact counts)
#   netns_at_exit 'command'     one more thing to do at exit

netns_prefix=
netns_made=()
netns_pids=()
netns_exit_commands=()

netns_begin() {
    [ "$(id -u)" = 0 ] || { echo "network namespaces need root: run it with sudo" >&2; return 77; }
    netns_prefix="$1-$$"
    if ! ip netns add "$netns_prefix-probe" 2>/dev/null; then
        echo "no network namespaces here (ip netns add fails): run as real root, not in a restricted container" >&2
        return 77
    fi
    ip netns delete "$netns_prefix-probe"
    NETNS_PLAIN=
    mountpoint -q / || NETNS_PLAIN=yes
    export NETNS_PLAIN
    trap netns_end EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

# netns_enter REAL_NAME command ... : "ip netns exec" also remounts /sys, but needs a / that is a mount point, which a
# chroot has not. NETNS_PLAIN is exported for test programs that enter the namespaces themselves.
netns_enter() {
    local name=$1
    shift
    if [ -n "$NETNS_PLAIN" ]; then
        nsenter --net="/run/netns/$name" -- "$@"
    else
        ip netns exec "$name" "$@"
    fi
}

netns_name() { echo "$netns_prefix-$1"; }

netns_add() {
    local name
    name=$(netns_name "$1")
    ip netns add "$name"
    netns_made+=("$name")
    # Accept router solicitations, duplicate address detection and MLD reports would be packets nobody sent.
    netns_enter "$name" sysctl -qw net.ipv6.conf.all.accept_ra=0 net.ipv6.conf.default.accept_ra=0 \
        net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.router_solicitations=0 \
        net.ipv6.conf.default.addr_gen_mode=1 2>/dev/null || true
    netns_enter "$name" ip link set lo up
}

netns_link() {
    local a b
    a=$(netns_name "$1") b=$(netns_name "$3")
    # Several queues a side, so that AF_PACKET fan-out and AF_XDP find what they ask for.
    ip link add "$2" netns "$a" numtxqueues 2 numrxqueues 2 type veth \
        peer name "$4" netns "$b" numtxqueues 2 numrxqueues 2
    netns_quiet "$a" "$2"
    netns_quiet "$b" "$4"
    netns_enter "$a" ip link set "$2" up
    netns_enter "$b" ip link set "$4" up
}

# An interface that neither joins nor splits packets, fills in every checksum and says nothing by itself.
netns_quiet() {
    netns_enter "$1" ethtool -K "$2" tx off rx off tso off gso off gro off >/dev/null 2>&1 || true
    netns_enter "$1" sysctl -qw "net.ipv6.conf.$2.accept_dad=0" "net.ipv6.conf.$2.router_solicitations=0" \
        "net.ipv6.conf.$2.addr_gen_mode=1" 2>/dev/null || true
    netns_enter "$1" ip link set "$2" multicast off
}

netns_addresses() {
    local name address where=$1 interface=$2
    shift 2
    name=$(netns_name "$where")
    for address in "$@"; do
        case $address in
            *:*) netns_enter "$name" ip address add "$address" dev "$interface" nodad ;;
            *) netns_enter "$name" ip address add "$address" dev "$interface" ;;
        esac
    done
}

netns_run() {
    local name
    name=$(netns_name "$1")
    shift
    netns_enter "$name" "$@"
}

netns_background() {
    local name
    name=$(netns_name "$1")
    shift
    # exec: the process id is the program's own.
    if [ -n "$NETNS_PLAIN" ]; then
        exec nsenter --net="/run/netns/$name" -- "$@" &
    else
        exec ip netns exec "$name" "$@" &
    fi
    netns_pid=$!
    netns_pids+=("$netns_pid")
}

netns_wait_port() {
    local name kind=$2 port=$3 tries=$((${4:-10} * 10)) option
    name=$(netns_name "$1")
    [ "$kind" = tcp ] && option=-Hltn || option=-Hlun
    while [ "$tries" -gt 0 ]; do
        if netns_enter "$name" ss $option 2>/dev/null | awk '{print $4}' | grep -q ":$port\$"; then return 0; fi
        tries=$((tries - 1))
        sleep 0.1
    done
    echo "nothing listens on $kind port $port in $name" >&2
    return 1
}

netns_packets() {
    netns_run "$1" ip -s -j link show "$2" | python3 -c \
        'import json, sys; print(json.load(sys.stdin)[0]["stats64"]["rx"]["packets"])'
}

netns_at_exit() { netns_exit_commands+=("$1"); }

netns_end() {
    local status=$? pid name command
    trap - EXIT INT TERM
    for pid in "${netns_pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for name in "${netns_made[@]}"; do
        # Daemons that left our process group (sshd, nginx) are still members of the namespace.
        ip netns pids "$name" 2>/dev/null | xargs -r kill 2>/dev/null || true
    done
    for pid in "${netns_pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    for name in "${netns_made[@]}"; do
        ip netns pids "$name" 2>/dev/null | xargs -r kill -9 2>/dev/null || true
        ip netns delete "$name" 2>/dev/null || true
    done
    for command in "${netns_exit_commands[@]}"; do eval "$command"; done
    exit "$status"
}
