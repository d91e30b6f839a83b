//! How each type of ours is kept in a column.

use std::str::FromStr;

use pictor_actors::ids::{
    AccountId, JobId, LeaseId, LinkId, ReplicaId, SessionId, TaskId, TokenId, UploadId, WorkerId,
};
use pictor_actors::protocol::assignment::{RenderEngine, RenderSettings};
use pictor_actors::protocol::outcome::WarningClass;
use pictor_actors::protocol::{FailureClass, MachineFacts, MetricSample, Pause, SlotFacts};
use pictor_actors::units::{BlobHash, UnixMillis};
use pictor_cloud_api::uploads::UploadContent;
use pictor_cloud_domain::job::JobState;
use pictor_cloud_domain::lease::{LeaseState, Outcome};
use pictor_cloud_domain::task::TaskState;
use serde::de::DeserializeOwned;

use super::row::{Column, Row, Value, unreadable};
use crate::store::error::{Result, StoreError};
use crate::store::{Role, UploadState};

#[derive(Debug, thiserror::Error)]
#[error("column {0} holds no value")]
struct Missing(String);

fn needed<T>(value: Option<T>, name: &str) -> Result<T> {
    value.ok_or_else(|| StoreError::Unavailable(Box::new(Missing(name.to_owned()))))
}

impl<T: Column> Column for Option<T> {
    const ABSENT: Value = T::ABSENT;

    fn read(row: &Row, name: &str) -> Result<Self> {
        let is_absent = match T::ABSENT {
            Value::Int(_) => row.int(name)?.is_none(),
            Value::Text(_) => row.text(name)?.is_none(),
        };
        if is_absent { Ok(None) } else { T::read(row, name).map(Some) }
    }

    fn value(&self) -> Value {
        self.as_ref().map_or(T::ABSENT, Column::value)
    }
}

impl Column for &str {
    const ABSENT: Value = Value::Text(None);

    /// Only for binding: a row outlives no text of its own.
    fn read(_: &Row, name: &str) -> Result<Self> {
        Err(StoreError::Unavailable(Box::new(Missing(name.to_owned()))))
    }

    fn value(&self) -> Value {
        Value::Text(Some((*self).to_owned()))
    }
}

impl Column for String {
    const ABSENT: Value = Value::Text(None);

    fn read(row: &Row, name: &str) -> Result<Self> {
        needed(row.text(name)?, name)
    }

    fn value(&self) -> Value {
        Value::Text(Some(self.clone()))
    }
}

impl Column for bool {
    const ABSENT: Value = Value::Int(None);

    fn read(row: &Row, name: &str) -> Result<Self> {
        Ok(needed(row.int(name)?, name)? != 0)
    }

    fn value(&self) -> Value {
        Value::Int(Some(i64::from(*self)))
    }
}

impl Column for UnixMillis {
    const ABSENT: Value = Value::Int(None);

    fn read(row: &Row, name: &str) -> Result<Self> {
        needed(row.int(name)?, name).map(Self)
    }

    fn value(&self) -> Value {
        Value::Int(Some(self.0))
    }
}

macro_rules! number_columns {
    ($($type:ty)+) => {$(
        impl Column for $type {
            const ABSENT: Value = Value::Int(None);

            fn read(row: &Row, name: &str) -> Result<Self> {
                Self::try_from(needed(row.int(name)?, name)?).map_err(unreadable)
            }

            /// Above what BIGINT holds (nothing we count comes near) the largest is stored.
            fn value(&self) -> Value {
                Value::Int(Some(i64::try_from(*self).unwrap_or(i64::MAX)))
            }
        }
    )+};
}

number_columns! { u64 i64 i32 u32 u16 u8 usize }

macro_rules! text_columns {
    ($($type:ty)+) => {$(
        impl Column for $type {
            const ABSENT: Value = Value::Text(None);

            fn read(row: &Row, name: &str) -> Result<Self> {
                Self::from_str(&needed(row.text(name)?, name)?).map_err(unreadable)
            }

            fn value(&self) -> Value {
                Value::Text(Some(self.to_string()))
            }
        }
    )+};
}

text_columns! {
    AccountId JobId LeaseId LinkId ReplicaId SessionId TaskId TokenId UploadId WorkerId BlobHash
    JobState TaskState LeaseState Outcome UploadState
}

macro_rules! json_columns {
    ($($type:ty)+) => {$(
        impl Column for $type {
            const ABSENT: Value = Value::Text(None);

            fn read(row: &Row, name: &str) -> Result<Self> {
                from_json(&needed(row.text(name)?, name)?)
            }

            fn value(&self) -> Value {
                Value::Text(serde_json::to_string(self).ok())
            }
        }
    )+};
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(unreadable)
}

json_columns! {
    MachineFacts Vec<SlotFacts> MetricSample Pause RenderSettings UploadContent serde_json::Value
}

macro_rules! tag_columns {
    ($($type:ty)+) => {$(
        impl Column for $type {
            const ABSENT: Value = Value::Text(None);

            fn read(row: &Row, name: &str) -> Result<Self> {
                let tag = needed(row.text(name)?, name)?;
                serde_json::from_value(serde_json::Value::String(tag)).map_err(unreadable)
            }

            /// The tag that the wire uses, without JSON's quotes.
            fn value(&self) -> Value {
                let tag = serde_json::to_value(self).ok();
                Value::Text(tag.and_then(|tag| tag.as_str().map(str::to_owned)))
            }
        }
    )+};
}

tag_columns! { RenderEngine FailureClass WarningClass }

impl Column for Vec<Role> {
    const ABSENT: Value = Value::Text(None);

    fn read(row: &Row, name: &str) -> Result<Self> {
        let names = needed(row.text(name)?, name)?;
        names
            .split(',')
            .filter(|name| !name.is_empty())
            .map(|name| name.parse().map_err(unreadable))
            .collect()
    }

    fn value(&self) -> Value {
        let mut roles = self.clone();
        roles.sort_unstable();
        roles.dedup();
        Value::Text(Some(roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(",")))
    }
}
