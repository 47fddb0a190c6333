//! Opens new volumes to every user. The host-path provisioner makes them for root alone (0750), and
//! a host-path volume takes no part in `fsGroup`, so a pod that is not root could not write to one.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::Duration,
};

use anyhow::Context as _;

/// Far below the time from a volume's making to the start of the pod that uses it.
const SCAN_INTERVAL: Duration = Duration::from_millis(100);

const OPEN: u32 = 0o777;

/// Looks for new volumes until it is dropped; returns only with an error.
pub(super) async fn keep_open(folder: impl AsRef<Path>) -> anyhow::Result<()> {
    loop {
        open_all(folder.as_ref()).context("open the volumes")?;
        tokio::time::sleep(SCAN_INTERVAL).await;
    }
}

fn open_all(folder: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        // A volume may be deleted at any moment.
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if metadata.permissions().mode() & OPEN == OPEN {
            continue;
        }
        match fs::set_permissions(&path, Permissions::from_mode(OPEN)) {
            Err(error) if path.exists() => {
                return Err(error).with_context(|| format!("open {}", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_volume_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let volume = folder.path().join("pvc-1");
        fs::create_dir(&volume).unwrap();
        fs::set_permissions(&volume, Permissions::from_mode(0o750)).unwrap();
        open_all(folder.path()).unwrap();
        assert_eq!(fs::metadata(&volume).unwrap().permissions().mode() & OPEN, OPEN);
    }
}
