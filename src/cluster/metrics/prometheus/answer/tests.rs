use proptest::prelude::*;
use rstest::rstest;

use super::*;

/// Recorded from Prometheus 2.42, but for the 4: a range vector selector as an instant query.
const MATRIX: &str = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"errors_total","instance":"10.244.0.2:9090","job":"fleet","namespace":"qudag","pod":"qudag-node-0"},"values":[[1795551129.187,"0"],[1795551130.187,"0"],[1795551131.187,"4"]]},{"metric":{"__name__":"request_duration_seconds_bucket","instance":"10.244.0.2:9090","job":"fleet","le":"+Inf","namespace":"qudag","pod":"qudag-node-0"},"values":[[1795551129.187,"1246"],[1795551130.187,"1279"],[1795551131.187,"1317"]]}]}}"#;

#[test]
fn of_many_samples_the_newest_is_kept() {
    let rows = read(MATRIX.as_bytes()).unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].value, rows[0].taken.as_millisecond()), (4.0, 1_795_551_131_187));
    assert_eq!(rows[0].labels["__name__"], "errors_total");
    assert_eq!((rows[1].labels["le"].as_str(), rows[1].value), ("+Inf", 1317.0));
}

#[rstest]
#[case::a_vector(r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1.5,"0.5"]}]}}"#, vec![0.5])]
#[case::nothing(r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#, vec![])]
#[case::infinite(r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"+Inf"]},{"metric":{},"value":[1,"-Inf"]}]}}"#, vec![f64::INFINITY, f64::NEG_INFINITY])]
#[case::a_native_histogram_alone(r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"histograms":[[1,{"count":"1","sum":"2"}]]}]}}"#, vec![])]
#[case::no_samples_of_a_series(r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[]}]}}"#, vec![])]
fn values_are_read_as_they_are(#[case] body: &str, #[case] expected: Vec<f64>) {
    let values: Vec<f64> = read(body.as_bytes()).unwrap().into_iter().map(|row| row.value).collect();
    assert_eq!(values, expected);
}

#[test]
fn what_is_not_a_number_stays_that() {
    let body = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"NaN"]}]}}"#;
    assert!(read(body.as_bytes()).unwrap()[0].value.is_nan());
}

#[rstest]
#[case::no_json("<html>502 Bad Gateway</html>", Unusable::Foreign)]
#[case::cut_off(r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"#, Unusable::Foreign)]
#[case::another_api(r#"{"status":"ok","items":[]}"#, Unusable::Foreign)]
#[case::no_data(r#"{"status":"success"}"#, Unusable::Foreign)]
#[case::a_number_that_is_none(
    r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"many"]}]}}"#,
    Unusable::Foreign
)]
#[case::a_time_that_is_none(
    r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1e300,"1"]}]}}"#,
    Unusable::Foreign
)]
#[case::a_scalar(
    r#"{"status":"success","data":{"resultType":"scalar","result":[1435781451.781,"1"]}}"#,
    Unusable::NoSeries
)]
#[case::a_bad_query(
    r#"{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": token-1234"}"#,
    Unusable::Refused("bad_data")
)]
#[case::an_unknown_error(
    r#"{"status":"error","errorType":"token-1234","error":"token-1234"}"#,
    Unusable::Refused("for a reason of its own")
)]
#[case::partial(
    r#"{"status":"success","data":{"resultType":"matrix","result":[]},"warnings":["store token-1234 is down"]}"#,
    Unusable::Warnings(1)
)]
#[case::partial_in_the_way_of_victoriametrics(
    r#"{"status":"success","isPartial":true,"data":{"resultType":"matrix","result":[]}}"#,
    Unusable::Partial
)]
#[case::notes(
    r#"{"status":"success","data":{"resultType":"vector","result":[]},"infos":["metric might not be a counter"]}"#,
    Unusable::Notes(1)
)]
fn what_may_not_be_used_is_told_apart_and_not_repeated(#[case] body: &str, #[case] expected: Unusable) {
    let error = read(body.as_bytes()).unwrap_err();
    assert_eq!(error, expected);
    assert!(!error.to_string().contains("token-1234"), "{error}");
}

proptest! {
    #[test]
    fn no_answer_panics(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&body);
        let _ = error(&body);
    }

    #[test]
    fn no_damaged_answer_panics(at in 0..MATRIX.len(), byte in any::<u8>(), cut in 0..MATRIX.len()) {
        let mut body = MATRIX.as_bytes().to_vec();
        body[at] = byte;
        let _ = read(&body);
        body.truncate(cut);
        prop_assert!(read(&body).is_err());
    }

    #[test]
    fn every_finite_number_comes_through(value in any::<f64>().prop_filter("finite", |value| value.is_finite())) {
        let row = format!(r#"{{"metric":{{"pod":"p"}},"values":[[1.5,"{value}"]]}}"#);
        let body = format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{row}]}}}}"#);
        prop_assert_eq!(read(body.as_bytes()).unwrap()[0].value, value);
    }
}
