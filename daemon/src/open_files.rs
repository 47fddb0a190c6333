//! The limit of open files of this process (RLIMIT_NOFILE).

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of open files to the hard limit, and logs both.
///
/// A connection takes one open file. The soft limit is often 1,024 for the sake of programs that
/// use `select`, which this workspace does not, while the hard limit is what the administrator
/// allows. Call it at the start of the process, after the log is installed.
pub fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let (before, limit) = (shown(current), shown(maximum));
    if current == maximum {
        tracing::debug!(limit, "the limit of open files is the hard limit already");
        return;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => tracing::info!(before, limit, "raised the limit of open files"),
        Err(error) => tracing::warn!(%error, limit = before, "failed to raise the limit of open files"),
    }
}

fn shown(limit: Option<u64>) -> String {
    limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_limit() {
        let maximum = getrlimit(Resource::Nofile).maximum;
        raise_limit();
        assert_eq!(getrlimit(Resource::Nofile), Rlimit { current: maximum, maximum });
    }
}
