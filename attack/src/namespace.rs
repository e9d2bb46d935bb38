//! A network namespace in which all of 10.0.0.0/8 and `2001:db8::/32` is this machine. No packet
//! leaves it.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    process::{Command, ExitCode, Stdio},
};

use color_eyre::eyre::{Result, WrapErr as _};

/// The environment variable that is set in the namespace.
const ENTERED: &str = "CHITTY_ATTACK_NAMESPACE";

/// Makes addresses usable that no interface has: by routes and, for IPv6, by a setting.
const SET_UP: &str = "ip link set lo up \
                      && ip route add local 10.0.0.0/8 dev lo \
                      && ip -6 route add local 2001:db8::/32 dev lo \
                      && echo 1 > /proc/sys/net/ipv6/ip_nonlocal_bind";

/// Runs this program again in a namespace, and returns how it ended. `None` if no namespace can be
/// made, as in most containers.
pub(crate) fn enter() -> Result<Option<ExitCode>> {
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net", "sh", "-c", script]);
        command
    };
    let possible = unshare(SET_UP)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !possible.is_ok_and(|status| status.success()) {
        eprintln!(
            "no network namespace here (unshare, ip): everybody is in 127.0.0.0/8, and a server \
             that counts that as one source cannot tell them apart"
        );
        return Ok(None);
    }
    let status = unshare(&format!("{SET_UP} && exec \"$0\" --inside \"$@\""))
        .arg(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env(ENTERED, "1")
        .status()
        .wrap_err("cannot run unshare")?;
    Ok(Some(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }))
}

fn is_entered() -> bool {
    std::env::var_os(ENTERED).is_some()
}

/// The address of a host, one of at most 65,000 unrelated ones.
pub(crate) fn host(number: u16) -> IpAddr {
    let [a, b] = number.to_be_bytes();
    if is_entered() {
        Ipv4Addr::new(10, 1, a, b).into()
    } else {
        loopback(number)
    }
}

/// An address of the loopback network.
pub(crate) fn loopback(number: u16) -> IpAddr {
    let [a, b] = number.to_be_bytes();
    Ipv4Addr::new(127, 1, a, b).into()
}

/// An address in one of the IPv6 /64 networks of one subscriber; `None` outside of the namespace.
pub(crate) fn network(number: u16) -> Option<IpAddr> {
    is_entered().then(|| Ipv6Addr::new(0x2001, 0xdb8, 1, number, 0, 0, 0, 1).into())
}
