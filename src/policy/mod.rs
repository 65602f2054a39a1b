//! May this token do this? Rule text becomes a [`Rule`], a set of rules becomes a [`Policy`], and a policy decides on
//! [`Facts`]. It reads no clock, no store and no network, and nothing in it can fail once a policy is compiled.
//!
//! What a request must carry is said in one grammar, the same in the configuration, in logs and in `explain`:
//!
//! ```text
//! public                                  no token needed
//! authenticated                           any accepted token
//! scope orders:read orders:list           all of these scopes
//! any scope orders:read orders:admin      one of these scopes
//! role admin
//! permission send on mail-service         an entity permission; the entity by name or id
//! permission send on {entity}             ... bound to a path parameter
//! acr gold                                how the person authenticated; `acr in [gold, platinum]` for one of several
//! authenticated within 5m                 how long ago, by the token's `auth_time`
//! claim department == sales               text, "quoted text", a number, true or false
//! claim realm_access.level in [1, 2]      dotted path; quote a name that has dots: "https://example.com/level"
//! claim org == {org}                      the claim equals a path parameter
//! all: [role admin, scope a]              any: [role admin, scope a]              not: role banned
//! ```

mod any_of;
mod challenge;
mod claim;
mod claims;
mod compile;
mod cursor;
mod decide;
mod display;
mod explain;
mod facts;
mod index;
mod parse;
mod rule;
mod rule_set;
mod step_up;
mod suggest;
#[cfg(test)]
mod testing;
mod wanted;

pub use claims::ClaimNames;
pub use compile::{CompileError, Policy, RuleId};
pub use cursor::RuleError;
pub use decide::{Decision, Reason};
pub use explain::Step;
pub use facts::{Facts, NoParameters, Parameters, Permissions, TargetPermissions, TokenFacts, Words};
pub use parse::{parse_claim_name, parse_rule};
pub use rule::{ClaimPath, Rule, RuleKind, RuleSource, Target};
pub use rule_set::RuleSet;
pub use step_up::StepUp;
pub use wanted::Wanted;
