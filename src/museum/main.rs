//! Puts each bug of the museum into a copy of the sources and demands that its test turns red: `make museum`.

use std::{env, path::Path, process::ExitCode};

use exhibit::{Exhibit, Kind, Mutant};
use workshop::Workshop;

mod exhibit;
mod mutation;
mod run;
mod workshop;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    match root.canonicalize().map_err(|error| format!("{}: {error}", root.display())).and_then(|root| show(&root)) {
        Ok(code) => code,
        Err(what) => {
            eprintln!("{what}");
            ExitCode::FAILURE
        }
    }
}

/// Shows the exhibits, or those whose names begin with one of `EXHIBIT`, separated by commas.
fn show(root: &Path) -> Result<ExitCode, String> {
    let wanted = env::var("EXHIBIT").unwrap_or_default();
    let mut exhibits = exhibit::all(&root.join("src/museum/exhibits"))?;
    exhibits.retain(|exhibit| wanted.split(',').any(|wanted| exhibit.name.starts_with(wanted)));
    if exhibits.is_empty() {
        return Err(format!("no exhibit of src/museum/exhibits has a name that begins with {wanted}"));
    }
    let workshop = Workshop::open(root)?;
    // Every find text has to fit before an hour is spent on the others.
    for (exhibit, mutant) in mutants(&exhibits) {
        workshop.mutated(&mutant.edits).map_err(|what| format!("exhibit {}: {what}", exhibit.name))?;
    }
    run::unmutated(&workshop, mutants(&exhibits).map(|(_, mutant)| &mutant.test))?;
    let (mut shown, mut caught, mut pending) = (0, 0, 0);
    for exhibit in &exhibits {
        let Exhibit { name, bug, neighbour, kind } = exhibit;
        let source = neighbour.as_ref().map(|neighbour| format!(" ({neighbour})")).unwrap_or_default();
        match kind {
            Kind::Pending(why) => {
                pending += 1;
                println!("pending   {name}{source}: {why}");
            }
            Kind::Mutant(mutant) => {
                shown += 1;
                match run::mutated(&workshop, mutant)? {
                    Ok(seconds) => {
                        caught += 1;
                        println!("caught    {name}{source} by {} in {seconds} s", mutant.test.name());
                    }
                    Err(why) => println!("SURVIVES  {name}{source}: {bug}\n          {} {why}", mutant.test.name()),
                }
            }
        }
    }
    println!("mutants caught {caught}/{shown} pending {pending}");
    Ok(if caught == shown { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn mutants(exhibits: &[Exhibit]) -> impl Iterator<Item = (&Exhibit, &Mutant)> {
    exhibits.iter().filter_map(|exhibit| match &exhibit.kind {
        Kind::Mutant(mutant) => Some((exhibit, mutant)),
        Kind::Pending(_) => None,
    })
}
