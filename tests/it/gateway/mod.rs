//! The whole gateway through its real listeners, in front of a recording upstream. One file per topic.

mod enforcement;
