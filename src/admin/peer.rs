//! The other end of a connection, as the system knows it: nothing that it says of itself is asked for.

use greenroom_store::Operator;
use tokio::net::UnixStream;

/// Root, who may do anything on this machine anyway.
const ROOT: u32 = 0;

/// The other end of a connection; none where the system does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer(Option<Operator>);

impl Peer {
    /// Who had opened a connection when it was made.
    pub(super) fn of(stream: &UnixStream) -> Self {
        let credentials = stream.peer_cred().ok();
        Self(credentials.map(|credentials| Operator {
            uid: credentials.uid(),
            pid: credentials.pid(),
        }))
    }

    /// The peer as an operator of a server that runs as this user: the same user, or root.
    pub(super) fn operator(self, server_uid: u32) -> Option<Operator> {
        self.0
            .filter(|operator| operator.uid == server_uid || operator.uid == ROOT)
    }

    /// Who it is, whether or not they may do anything.
    pub(super) fn stranger(self) -> Option<Operator> {
        self.0
    }
}

/// The user that this process acts as.
pub(super) fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_own_user_and_root_are_its_operators() {
        let check = |peer: Option<u32>, server_uid, expected| {
            let peer = Peer(peer.map(|uid| Operator { uid, pid: None }));
            assert_eq!(
                peer.operator(server_uid).is_some(),
                expected,
                "{peer:?} of {server_uid}"
            );
        };
        check(Some(1_000), 1_000, true);
        check(Some(0), 1_000, true);
        check(Some(1_001), 1_000, false);
        check(Some(1_000), 0, false);
        check(None, 1_000, false);
        check(None, 0, false);
    }

    #[tokio::test]
    async fn the_system_tells_who_is_there() {
        let (near, _far) = UnixStream::pair().unwrap();
        let operator = Peer::of(&near).operator(own_uid()).unwrap();
        assert_eq!(operator.uid, own_uid());
    }
}
