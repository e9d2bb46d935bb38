//! A network of one's own, in which all of 10.0.0.0/8 and `2001:db8::/32` is this machine, and which
//! no packet leaves.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    process::{Command, ExitCode, Stdio},
};

use color_eyre::eyre::{Result, WrapErr as _};

/// Set in the namespace.
const ENTERED: &str = "CHITTY_ATTACK_NAMESPACE";

/// Addresses may be used that no interface has: by their routes, and, of IPv6, by this setting.
const SET_UP: &str = "ip link set lo up \
                      && ip route add local 10.0.0.0/8 dev lo \
                      && ip -6 route add local 2001:db8::/32 dev lo \
                      && echo 1 > /proc/sys/net/ipv6/ip_nonlocal_bind";

/// Runs this program again, in a namespace: how that ended. `None` where there can be none, as in
/// most containers.
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

/// One of many hosts that have nothing in common: at most 65,000.
pub(crate) fn host(number: u16) -> IpAddr {
    let [a, b] = number.to_be_bytes();
    if is_entered() {
        Ipv4Addr::new(10, 1, a, b).into()
    } else {
        loopback(number)
    }
}

/// One of many addresses of the loopback network.
pub(crate) fn loopback(number: u16) -> IpAddr {
    let [a, b] = number.to_be_bytes();
    Ipv4Addr::new(127, 1, a, b).into()
}

/// An address in one of many /64 networks of IPv6, all of the same subscriber; none where there
/// are none.
pub(crate) fn network(number: u16) -> Option<IpAddr> {
    is_entered().then(|| Ipv6Addr::new(0x2001, 0xdb8, 1, number, 0, 0, 0, 1).into())
}
