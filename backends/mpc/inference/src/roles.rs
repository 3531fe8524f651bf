//! Both owners, whichever protocol they follow: a batch is cut into windows, which are prepared and run one after the other, the first one
//! prepared before the images are there.

mod data_owner;
mod model_owner;

pub(crate) use data_owner::{DataOwner, DataOwnerSide, Refused};
pub(crate) use model_owner::{ModelOwner, ModelOwnerSide};
