//! The task of a connection: serves it before and after registration, then closes the socket.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::unregistered::UnregisteredConnection;
use crate::hub::{Connection, Hub};

/// Time to write the last bytes and to close the socket.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves the connection to its end. `leftover` are bytes that arrived together with the upgrade.
pub(crate) async fn serve(hub: Arc<Hub>, connection: Arc<Connection>, leftover: Bytes) {
    let unregistered = UnregisteredConnection::new(Arc::clone(&hub), Arc::clone(&connection), &leftover);
    // It keeps the buffer of the HTTP connection in memory, even when it is empty.
    drop(leftover);
    if let Some(registered) = unregistered.run().await {
        registered.run().await;
    }
    hub.remove_connection(&connection);
    // The connection ends even if the peer no longer reads.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, close_socket(&connection)).await;
}

async fn close_socket(connection: &Connection) -> std::io::Result<()> {
    poll_fn(|cx| connection.poll_flush(cx)).await?;
    poll_fn(|cx| connection.poll_shutdown(cx)).await
}
