//! A machine beyond this one: a network namespace behind a link, with a server on every address.

use std::process::{Child, Command, Stdio};

const SERVER: &str = "\
import socketserver
class Hello(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b'hello from ' + self.client_address[0].encode())
socketserver.TCPServer.allow_reuse_address = True
with socketserver.ThreadingTCPServer(('0.0.0.0', 8000), Hello) as server:
    print('up', flush=True)
    server.serve_forever()
";
/// The port it listens on.
pub(crate) const PORT: u16 = 8000;

/// Gone, with its link and its routes, when this is dropped.
pub(crate) struct Outside {
    name: String,
    server: Child,
    /// Its address, beyond a link of this machine's.
    pub(crate) address: String,
    /// This machine's address on that link.
    pub(crate) near: String,
    /// A link-local address of it.
    pub(crate) link_local: String,
}

fn run(command: &str) {
    let mut words = command.split(' ');
    let output = Command::new(words.next().unwrap())
        .args(words)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {said}");
}

impl Outside {
    pub(crate) fn start() -> Self {
        // Tests run beside each other, each in a process of its own.
        let pid = std::process::id();
        let (high, low) = (pid / 60 % 250, pid % 60 * 4);
        let name = format!("tr-out-{pid}");
        let [here, there] = [format!("trh{pid}"), format!("tro{pid}")];
        let near = format!("198.18.{high}.{}", low + 1);
        let address = format!("198.18.{high}.{}", low + 2);
        let link_local = format!("169.254.{}.{}", 100 + high / 2, low + 2);
        run(&format!("ip netns add {name}"));
        run(&format!(
            "ip link add {here} type veth peer name {there} netns {name}"
        ));
        run(&format!("ip addr add {near}/30 dev {here}"));
        run(&format!("ip link set {here} up"));
        run(&format!("ip -n {name} addr add {address}/30 dev {there}"));
        run(&format!(
            "ip -n {name} addr add {link_local}/32 dev {there}"
        ));
        run(&format!("ip -n {name} link set {there} up"));
        run(&format!("ip -n {name} route add default via {near}"));
        run(&format!("ip route add {link_local}/32 via {address}"));
        let mut server = Command::new("ip")
            .args(["netns", "exec", &name, "python3", "-c", SERVER])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut said = std::io::BufReader::new(server.stdout.as_mut().unwrap());
        std::io::BufRead::read_line(&mut said, &mut line).unwrap();
        assert_eq!(line, "up\n");
        Self {
            name,
            server,
            address,
            near,
            link_local,
        }
    }

    /// Whether a connection from out there stands.
    pub(crate) fn reaches(&self, ip: &str, port: u16) -> bool {
        let code = format!("import socket; socket.create_connection(('{ip}', {port}), 2)");
        let status = Command::new("ip")
            .args(["netns", "exec", &self.name, "python3", "-c", &code])
            .stderr(Stdio::null())
            .status();
        status.unwrap().success()
    }

    /// A route from out there to a network of this machine.
    pub(crate) fn route_back(&self, network: &str) {
        let Self { name, near, .. } = self;
        run(&format!("ip -n {name} route replace {network} via {near}"));
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        // The link goes with the namespace that has its other end.
        let _ = Command::new("ip")
            .args(["netns", "del", &self.name])
            .status();
    }
}
