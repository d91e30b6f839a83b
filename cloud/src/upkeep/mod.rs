//! What an operator does for a farm beside the cloud that runs it: look whether it keeps its promises, and
//! back it up. Reads the farm, and never writes to it.

pub mod audit;
pub mod backup;
