//! Calls with an account's API token in place of a worker's bearer: for whoever sets up many workers.

use pictor_actors::ids::WorkerId;
use pictor_actors::protocol::enrolment::ConfigurationFile;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{CallError, Cloud};

/// Status of a name that is taken.
const CONFLICT: u16 = 409;

#[derive(Deserialize)]
struct Named {
    id: WorkerId,
    name: String,
}

#[derive(Deserialize)]
struct Page {
    items: Vec<Named>,
}

#[derive(Deserialize)]
struct Fresh {
    content: String,
}

impl Cloud {
    /// The worker of this name: a new one, or the account's own that there is.
    pub async fn worker_named(&self, name: &str) -> Result<WorkerId, CallError> {
        let request = self.client()?.post(self.url("/api/v1/workers")).json(&json!({ "name": name }));
        match self.asked::<Named>(request).await {
            Ok(made) => Ok(made.id),
            Err(CallError::Problem(problem)) if problem.status == CONFLICT => {
                let query = [("search", name), ("limit", "200")];
                let request = self.client()?.get(self.url("/api/v1/workers")).query(&query);
                let found: Page = self.asked(request).await?;
                let own = found.items.into_iter().find(|worker| worker.name == name);
                own.map(|worker| worker.id).ok_or(CallError::Problem(problem))
            }
            Err(error) => Err(error),
        }
    }

    /// A fresh configuration file of a worker; the one before is dead.
    pub async fn fresh_configuration(&self, worker: WorkerId) -> Result<ConfigurationFile, CallError> {
        let request = self.client()?.post(self.url(&format!("/api/v1/workers/{worker}/configuration")));
        let fresh: Fresh = self.asked(request).await?;
        toml::from_str(&fresh.content)
            .map_err(|error| CallError::Away { why: error.to_string(), retry_after: None })
    }

    async fn asked<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, CallError> {
        let response = self.sent(self.signed(request)?).await?;
        self.patience.heard(response.json()).await
    }
}
