//! Follows a token file while the process runs.

use std::error::Error;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::{Token, TokenFile, TokenFileError};
use crate::error_chain;
use crate::shutdown::Shutdown;

/// How late a changed file is noticed; kubelet takes up to a minute to bring a changed Secret.
const RELOAD_INTERVAL: Duration = Duration::from_secs(5);

/// The token of a file, parsed as `T`. While the file cannot be read or parsed, the previous token
/// stays in use. Cheap to clone; clones share the token.
///
/// ```no_run
/// # use msg2agent_daemon as daemon;
/// # async fn example(tasks: &daemon::Tasks) -> Result<(), daemon::token_file::TokenFileError> {
/// use daemon::token_file::{ReloadingToken, TokenFile};
///
/// let token: ReloadingToken = ReloadingToken::open(TokenFile::new("/run/secrets/token")).await?;
/// tasks.spawn_vital("token", token.clone().watch("the token", tasks.shutdown().clone(), |_| {}));
/// let authorization = format!("Bearer {}", token.current().as_str());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ReloadingToken<T = Token> {
    file: TokenFile,
    current: Arc<RwLock<Current<T>>>,
}

#[derive(Debug)]
struct Current<T> {
    /// What the file held, to notice a change.
    text: Token,
    value: T,
}

impl<T> ReloadingToken<T>
where
    T: FromStr + Clone,
    T::Err: Error + Send + Sync + 'static,
{
    /// Reads the file for the first time.
    ///
    /// # Errors
    /// The file has no usable token.
    pub async fn open(file: TokenFile) -> Result<Self, TokenFileError> {
        file.warn_if_world_readable();
        let text = file.read().await?;
        let value = parse(&file, &text)?;
        Ok(Self { file, current: Arc::new(RwLock::new(Current { text, value })) })
    }

    /// The token in use.
    #[must_use]
    pub fn current(&self) -> T {
        self.current.read().unwrap_or_else(PoisonError::into_inner).value.clone()
    }

    /// Reads the file again; returns the new token when its contents changed.
    ///
    /// # Errors
    /// The file has no usable token; the previous one stays in use.
    pub async fn reload(&self) -> Result<Option<T>, TokenFileError> {
        let text = self.file.read().await?;
        if self.current.read().unwrap_or_else(PoisonError::into_inner).text.matches(text.as_str()) {
            return Ok(None);
        }
        let value = parse::<T>(&self.file, &text)?;
        let current = Current { text, value: value.clone() };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = current;
        Ok(Some(value))
    }

    /// Reloads the file every few seconds until shutdown, and calls `on_change` with each new
    /// token. `name` says in the log what the file holds, such as `the API key`.
    pub async fn watch(self, name: &'static str, shutdown: Shutdown, mut on_change: impl FnMut(T)) {
        let mut interval = tokio::time::interval(RELOAD_INTERVAL);
        loop {
            tokio::select! {
                _ = interval.tick() => {}
                () = shutdown.begun() => return,
            }
            match self.reload().await {
                Ok(Some(token)) => {
                    tracing::info!("{name} has changed");
                    on_change(token);
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(
                        error = error_chain(&error),
                        "failed to reload {name}; the previous one stays in use"
                    );
                }
            }
        }
    }
}

impl<T> Clone for ReloadingToken<T> {
    fn clone(&self) -> Self {
        Self { file: self.file.clone(), current: Arc::clone(&self.current) }
    }
}

fn parse<T>(file: &TokenFile, text: &Token) -> Result<T, TokenFileError>
where
    T: FromStr,
    T::Err: Error + Send + Sync + 'static,
{
    text.as_str().parse().map_err(|error| TokenFileError::Parse(file.path().to_owned(), Box::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_changed_file_is_used_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "1\n").unwrap();
        let token: ReloadingToken<u32> = ReloadingToken::open(TokenFile::new(&path)).await.unwrap();
        assert_eq!((token.current(), token.reload().await.unwrap()), (1, None));
        std::fs::write(&path, "2").unwrap();
        assert_eq!((token.reload().await.unwrap(), token.clone().current()), (Some(2), 2));
        std::fs::write(&path, "two").unwrap();
        assert!(matches!(token.reload().await, Err(TokenFileError::Parse(..))));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(token.reload().await, Err(TokenFileError::Read(..))));
        assert_eq!(token.current(), 2);
    }

    #[tokio::test]
    async fn a_file_without_a_usable_token_is_an_error_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "one").unwrap();
        let opened = ReloadingToken::<u32>::open(TokenFile::new(&path)).await;
        assert!(matches!(opened, Err(TokenFileError::Parse(..))));
    }

    #[tokio::test(start_paused = true)]
    async fn the_watch_reports_each_change_once_and_ends_at_shutdown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "1").unwrap();
        let token: ReloadingToken<u32> = ReloadingToken::open(TokenFile::new(&path)).await.unwrap();
        let (shutdown, (sender, mut changes)) = (Shutdown::new(), tokio::sync::mpsc::unbounded_channel());
        let watch = token.watch("the token", shutdown.clone(), move |token| sender.send(token).unwrap());
        let watch = tokio::spawn(watch);
        std::fs::write(&path, "2").unwrap();
        assert_eq!(changes.recv().await, Some(2));
        tokio::time::sleep(3 * RELOAD_INTERVAL).await;
        shutdown.begin();
        watch.await.unwrap();
        assert_eq!(changes.recv().await, None);
    }
}
