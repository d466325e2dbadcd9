//! Objects as text for programs.

use crate::options::Output;

/// Prints an object in the format that was asked for.
pub fn print(output: Output, object: &impl serde::Serialize) -> Result<(), String> {
    let text = match output {
        Output::Json => serde_json::to_string_pretty(object).map_err(|error| error.to_string())?,
        Output::Yaml => serde_saphyr::to_string(object).map_err(|error| error.to_string())?,
    };
    println!("{}", text.trim_end());
    Ok(())
}
