//! The commands of the binary.

pub mod check;
pub mod release_finalizers;
pub mod run;
