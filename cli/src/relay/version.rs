//! `m2a relay version`: shows the version of the enforced state and the build.

use protocol::admin::Version;

use super::admin_client::AdminClient;
use crate::failure::Failure;
use crate::output::Output;

pub(super) async fn run(client: &AdminClient, output: &Output) -> Result<(), Failure> {
    let version: Version = client.get("/admin/v1/version").await?;
    let text = format!(
        "domain    {}\nversion   {}\ninstance  {}\nbuild     {}",
        version.domain, version.version, version.instance, version.build
    );
    output.result(&version, text);
    Ok(())
}
