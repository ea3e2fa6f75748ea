//! Slots and limits in virtual time: properties, and a pretended Python pod under load.

mod limit;
mod python;
mod slots;
