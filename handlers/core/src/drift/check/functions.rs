//! Each app has the functions of its package, called by what calls them there.

use super::{Check, Deployment, Deviation, Judge, Judged, Severity, listed};
use crate::drift::{
    actual::{Function, Name},
    desired::functions,
};

pub(super) const CHECK: Check = Check {
    name: "function",
    severity: Severity::Critical,
    explanation: "A function app has a function that nobody packaged, or one that is called by \
                  something else: a way in that was not declared.",
    remediation: "Deploy the package again; find out how the function came there.",
    judge: Judge::Deployment(judge),
    lasting: false,
};

fn judge(seen: &Deployment) -> Judged {
    let all = seen.functions.as_ref().map_err(|unread| *unread)?;
    let mut deviations = Vec::new();
    for (app, found) in all {
        let declared = functions(*app);
        for function in found.iter().filter(|function| !declared.contains(function)) {
            let shall = declared.iter().find(|each| each.name == function.name);
            let deviation = Deviation::of(format!("function/{app}/{}", function.name));
            let shall = shall.map_or_else(|| "none".to_owned(), called_by);
            deviations.push(deviation.declared(shall).found(called_by(function)));
        }
        for function in &declared {
            if !found.iter().any(|each| each.name == function.name) {
                let deviation = Deviation::of(format!("function/{app}/{}", function.name));
                let deviation = deviation.declared(called_by(function)).found("none");
                deviations.push(deviation.as_bad_as(Severity::Medium));
            }
        }
    }
    Ok(deviations)
}

fn called_by(function: &Function) -> String {
    listed(function.triggers.iter().map(Name::as_str))
}
