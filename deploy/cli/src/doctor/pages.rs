//! What the executor listens at, and the pages that it serves there.

use std::fs::File;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use countersign_core::policy::People;
use countersign_executor::config::Config;
use countersign_executor::console;

use super::report::Report;

/// Looks at the pages as the executor does before it starts.
pub(super) fn look(report: &mut Report, config: &Config) {
    if let Some(page) = &config.console {
        match console::check_page(page) {
            Ok(()) => report.good("console", format!("{} at {}", page.public_url, page.listen)),
            Err(error) => report.wrong("console", format!("{error:#}"), ""),
        }
    }
    if let Some(confirm) = &config.confirm {
        match console::check_page(&confirm.page) {
            Ok(()) => report.good("confirm.page", confirm.page.public_url.clone()),
            Err(error) => report.wrong("confirm.page", format!("{error:#}"), ""),
        }
    }
    let log = &config.log;
    if let Some(listen) = &log.listen
        && let Err(error) = console::check_at(listen, log.tls.as_ref(), log.behind_ingress)
    {
        report.wrong("log.listen", format!("{error:#}"), "");
    }
    addresses(report, config);
}

/// Looks at how people sign in.
pub(super) fn sign_in(report: &mut Report, config: &Config, people: &People) {
    let (oidc, certificates) = (&config.sign_in.oidc, &config.sign_in.certificates);
    match console::check_sign_in(config, people) {
        Err(error) => report.wrong("sign_in", format!("{error:#}"), ""),
        Ok(()) if oidc.is_none() && certificates.is_none() => {}
        Ok(()) => {
            let oidc = oidc.as_ref().map(|oidc| oidc.issuer.clone());
            let certificates = certificates.as_ref().map(|_| "certificates".to_owned());
            let ways: Vec<_> = oidc.into_iter().chain(certificates).collect();
            report.good("sign_in", format!("by {}, beside passkeys", ways.join(" and ")));
        }
    }
}

/// Each address is one listener's, and nobody else's yet. What is no address is told elsewhere.
fn addresses(report: &mut Report, config: &Config) {
    let page = |page: &console::ConsoleConfig| page.listen.clone();
    let all = [
        ("listen", Some(config.listen.clone())),
        ("admin", Some(config.admin.clone())),
        ("console", config.console.as_ref().map(page)),
        ("confirm.page", config.confirm.as_ref().map(|confirm| page(&confirm.page))),
        ("log.listen", config.log.listen.clone()),
    ];
    let all = all.into_iter().filter_map(|(place, text)| Some((place, text?.parse().ok()?)));
    let all: Vec<(&str, SocketAddr)> =
        all.filter(|(_, at): &(_, SocketAddr)| at.port() != 0).collect();
    let runs = runs(config);
    for (nth, (place, at)) in all.iter().enumerate() {
        if let Some((other, _)) = all.iter().take(nth).find(|(_, other)| meet(*other, *at)) {
            let what = format!("{at} is that of `{other}` as well");
            report.wrong(place, what, "give each a port of its own");
        } else if !runs && let Err(error) = TcpListener::bind(at) {
            let what = format!("cannot listen on {at}: {error}");
            if error.kind() == ErrorKind::AddrInUse {
                report.wrong(place, what, "take another port");
            } else {
                // It may be an address of the machine that it will run on.
                report.warn(place, what, "look at it again where the executor will run");
            }
        }
    }
}

/// Whether two listeners would be in each other's way.
fn meet(one: SocketAddr, other: SocketAddr) -> bool {
    // `[::]` takes the other family's connections as well.
    let takes = |all: SocketAddr, one: SocketAddr| {
        all.ip().is_unspecified() && (all.is_ipv6() || one.is_ipv4())
    };
    let alike = one.ip() == other.ip() || takes(one, other) || takes(other, one);
    one.port() == other.port() && alike
}

/// Whether this configuration's executor runs: the ports are its own then.
fn runs(config: &Config) -> bool {
    match File::open(config.state.join("executor.lock")) {
        Ok(lock) => lock.try_lock_shared().is_err(),
        // Another user's: it may run.
        Err(error) => error.kind() != ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn listeners_are_in_each_others_way_at_one_port() {
        let meet = |one: &str, other: &str| meet(one.parse().unwrap(), other.parse().unwrap());
        assert!(meet("127.0.0.1:7480", "127.0.0.1:7480"));
        assert!(meet("0.0.0.0:7480", "127.0.0.1:7480"));
        assert!(!meet("127.0.0.1:7480", "127.0.0.2:7480"));
        assert!(!meet("127.0.0.1:7480", "127.0.0.1:7490"));
    }
}
