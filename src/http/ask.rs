//! Asks a session something, again if the answer was lost and asking twice does no harm.

use std::time::Duration;

use greenroom_actors::{Directory, Refused};
use greenroom_protocol::SessionId;
use greenroom_session::{Command, CommandKind, Receipt};

/// Pauses before a command whose answer was lost is sent again. A session comes back from its log within
/// milliseconds; a journal that cannot be written says so itself, and is not waited for here.
const RETRY_PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(500)];

/// Sends a command. One that counts once is sent again if nobody knows what became of it.
pub async fn send(directory: &Directory, session: SessionId, command: Command) -> Result<Receipt, Refused> {
    if counts_once(&command) {
        for pause in RETRY_PAUSES {
            match directory.send(session, command.clone()).await {
                Err(Refused::Lost) => tokio::time::sleep(pause).await,
                answer => return answer,
            }
        }
    }
    directory.send(session, command).await
}

/// Whether a command counts once however often it is sent: one with an id, and what is told of a call, which has one end.
fn counts_once(command: &Command) -> bool {
    command.id.is_some() || matches!(command.kind, CommandKind::SettleCall { .. })
}
