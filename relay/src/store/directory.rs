//! The directory's rows: all of them at start, one edit per transaction afterwards.

mod commit;
mod load;
