//! The ports, bound before it is known who leads: those who stand by serve them too.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs as _, UdpSocket};

use super::HouseError;
use crate::settings::Settings;
use crate::store::etcd::is_loopback;

/// One bound port.
pub(super) struct Door {
    flag: &'static str,
    setting: String,
    listener: TcpListener,
    /// Where it is.
    pub(super) address: SocketAddr,
}

/// All of them.
pub(crate) struct Doors {
    pub(super) api: Door,
    pub(super) gateway: Door,
    pub(super) step_functions: Option<Door>,
}

impl Door {
    fn bind(flag: &'static str, setting: &str) -> Result<Self, HouseError> {
        let fail = |source| HouseError::Listen {
            flag,
            address: setting.to_owned(),
            source,
        };
        let listener = TcpListener::bind(setting).map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        Ok(Self {
            flag,
            setting: setting.to_owned(),
            listener,
            address,
        })
    }

    /// The port for one server. What comes in after that server has stopped waits for the next.
    pub(super) fn listener(&self) -> Result<TcpListener, HouseError> {
        self.listener
            .try_clone()
            .map_err(|source| self.fail(source))
    }

    /// The port cannot be served.
    pub(super) fn fail(&self, source: std::io::Error) -> HouseError {
        HouseError::Listen {
            flag: self.flag,
            address: self.setting.clone(),
            source,
        }
    }

    /// The address for a client on this machine.
    fn near(&self) -> SocketAddr {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        address
    }
}

impl Doors {
    /// Binds the ports that the settings name.
    ///
    /// # Errors
    /// When one cannot be bound.
    pub(crate) fn bind(settings: &Settings) -> Result<Self, HouseError> {
        let open = &settings.sfn_listen;
        let open = (!open.is_empty()).then(|| Door::bind("sfn-listen", open));
        Ok(Self {
            api: Door::bind("api-listen", &settings.api_listen)?,
            gateway: Door::bind("gateway-listen", &settings.gateway_listen)?,
            step_functions: open.transpose()?,
        })
    }

    /// Where the API is, for this machine.
    pub(super) fn api_url(&self) -> String {
        format!("https://{}", self.api.near())
    }

    /// Where the gateway is, for this machine.
    pub(super) fn gateway_url(&self) -> String {
        format!("http://{}", self.gateway.near())
    }

    /// Where the Step Functions API for development is, if it is on.
    pub(super) fn step_functions_url(&self) -> Option<String> {
        let door = self.step_functions.as_ref();
        door.map(|door| format!("http://{}", door.address))
    }

    /// Host and port at which agents and other masters reach the API.
    pub(super) fn advertised(&self, settings: &Settings, etcd: &[String]) -> (String, u16) {
        let port = self.api.address.port();
        let said: Option<http::uri::Authority> = settings.api_advertise.parse().ok();
        if let Some(said) = said {
            let host = said.host().trim_matches(['[', ']']).to_owned();
            return (host, said.port_u16().unwrap_or(port));
        }
        let bound = self.api.address.ip();
        if !bound.is_unspecified() {
            return (bound.to_string(), port);
        }
        let mut others = etcd.iter().filter(|member| !is_loopback(member));
        match others.find_map(|member| local_address_to(member)) {
            Some(own) => (own.to_string(), port),
            None => (hostname().unwrap_or_else(|| "localhost".to_owned()), port),
        }
    }

    /// The names and addresses that the API's certificate is good for.
    pub(super) fn names(&self, settings: &Settings, advertised: Option<&str>) -> Vec<String> {
        let mut names = ["localhost", "127.0.0.1", "::1"]
            .map(str::to_owned)
            .to_vec();
        let bound = self.api.address.ip();
        if !bound.is_unspecified() {
            names.push(bound.to_string());
        }
        if let Some(hostname) = hostname() {
            if let Ok(addresses) = (hostname.as_str(), 0).to_socket_addrs() {
                names.extend(addresses.map(|address| address.ip().to_string()));
            }
            names.push(hostname);
        }
        names.extend(advertised.map(str::to_owned));
        names.extend(settings.api_names.iter().cloned());
        names.sort();
        names.dedup();
        names
    }

    /// The same names but for this machine's own, which an agent beside the master may have.
    pub(super) fn without_own(mut names: Vec<String>) -> Vec<String> {
        let own = hostname();
        names.retain(|name| Some(name) != own.as_ref());
        names
    }
}

fn hostname() -> Option<String> {
    let name = nix::unistd::gethostname().ok()?.into_string().ok()?;
    (!name.is_empty()).then_some(name)
}

/// The address of this machine that packets to another one carry. Nothing is sent.
fn local_address_to(other: &str) -> Option<IpAddr> {
    let other = other.to_socket_addrs().ok()?.next()?;
    let any: SocketAddr = match other {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(other).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doors(api: &str, advertise: &str, etcd: &[&str]) -> (String, u16) {
        let settings = Settings {
            api_listen: api.to_owned(),
            api_advertise: advertise.to_owned(),
            gateway_listen: "127.0.0.1:0".to_owned(),
            ..Settings::default()
        };
        let doors = Doors::bind(&settings).unwrap();
        let port = doors.api.address.port();
        let etcd: Vec<_> = etcd.iter().map(|&member| member.to_owned()).collect();
        let (host, found) = doors.advertised(&settings, &etcd);
        assert!(doors.names(&settings, Some(&host)).contains(&host));
        (host, found.abs_diff(port))
    }

    #[test]
    fn a_master_is_found_where_it_says_it_listens_or_towards_etcd() {
        let own = ("127.0.0.1".to_owned(), 0);
        assert_eq!(doors("127.0.0.1:0", "", &["10.0.0.1:2379"]), own);
        let (host, _) = doors("127.0.0.1:0", "master.lan:7443", &[]);
        assert_eq!(host, "master.lan");
        let (host, _) = doors("127.0.0.1:0", "[fd00::1]:7443", &[]);
        assert_eq!(host, "fd00::1");
        // An etcd on this machine says nothing of where others find it.
        let (host, port) = doors("0.0.0.0:0", "", &["127.0.0.1:2379"]);
        assert_eq!((Some(host), port), (hostname(), 0));
    }
}
