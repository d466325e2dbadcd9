use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::set_condition;

fn condition(status: &str, second: i64, message: &str) -> Condition {
    Condition {
        type_: "Ready".to_owned(),
        status: status.to_owned(),
        reason: "Because".to_owned(),
        message: message.to_owned(),
        last_transition_time: Time(Timestamp::from_second(second).unwrap()),
        observed_generation: None,
    }
}

#[test]
fn the_time_of_transition_moves_only_when_the_status_does() {
    let mut conditions = vec![condition("True", 1, "first")];
    set_condition(&mut conditions, condition("True", 2, "second"));
    assert_eq!(conditions, [condition("True", 1, "second")]);
    set_condition(&mut conditions, condition("False", 3, "third"));
    assert_eq!(conditions, [condition("False", 3, "third")]);
}

#[test]
fn another_type_stands_beside_it() {
    let mut conditions = vec![condition("True", 1, "")];
    set_condition(&mut conditions, Condition { type_: "Stalled".to_owned(), ..condition("False", 1, "") });
    assert_eq!(conditions.len(), 2);
}
