//! Writes many agents in one request and one transaction.

use axum::Json;
use axum::extract::State;
use protocol::Reason;
use protocol::admin::{AgentBatch, AgentWrite, BATCH_MAX, BatchApplied, BatchResult, Problem};

use super::AdminState;
use super::body::{StrictJson, applied};
use super::requester::check_owner;
use crate::directory::{AdminOperation, Directory, Requester};
use crate::problem::ProblemResponse;

/// `PUT agents` declares agents of any tenants. A refused item does not hold up the others. The
/// term is that of the request; each item names its own owner.
pub(super) async fn put(
    State(admin): State<AdminState>,
    by: Requester,
    StrictJson(batch): StrictJson<AgentBatch>,
) -> Result<Json<BatchApplied>, ProblemResponse> {
    check(&by, &batch)?;
    let changes = batch.items.into_iter().map(|item| change(&admin.directory, &by, item)).collect();
    let written = admin.directory.administer_all(changes).await?;
    let results = written.into_iter().map(|result| match result {
        Ok(written) => BatchResult::Applied(applied(written, true)),
        Err(error) => {
            let ProblemResponse { reason, detail, quota } = error.into();
            BatchResult::Problem(Problem::new(reason, detail).with_quota(quota))
        }
    });
    Ok(Json(BatchApplied { results: results.collect() }))
}

fn check(by: &Requester, batch: &AgentBatch) -> Result<(), ProblemResponse> {
    let invalid = |detail: String| Err(ProblemResponse::new(Reason::InvalidParams, detail));
    if by.owner.is_some() || by.former_owner.is_some() || by.if_owned {
        return invalid("each item of a batch names its owner; send no header about it".into());
    }
    if batch.items.len() > BATCH_MAX {
        return invalid(format!("a batch has at most {BATCH_MAX} items"));
    }
    batch.items.iter().try_for_each(|item| check_owner(Some(&item.owner)))
}

fn change(directory: &Directory, by: &Requester, item: AgentWrite) -> (Requester, AdminOperation) {
    let AgentWrite { tenant, name, owner, former_owner, if_owned, spec } = item;
    let requester = Requester { owner: Some(owner), former_owner, if_owned, term: by.term };
    (requester, AdminOperation::PutAgent(directory.did(&tenant, &name), Box::new(spec)))
}

#[cfg(test)]
mod tests {
    use protocol::admin::Owner;

    use super::*;

    #[test]
    fn a_header_about_the_owner_of_a_whole_batch_is_refused() {
        let owner = || Some(Owner::Kubernetes("a".into()));
        for by in [
            Requester { owner: owner(), ..Requester::default() },
            Requester { former_owner: owner(), ..Requester::default() },
            Requester { if_owned: true, ..Requester::default() },
        ] {
            let refused = check(&by, &AgentBatch::default()).unwrap_err();
            assert_eq!(refused.reason, Reason::InvalidParams, "{by:?}");
        }
        assert!(check(&Requester::default(), &AgentBatch::default()).is_ok());
    }
}
