//! Writes the beginnings of every target as files: `seeds DIRECTORY`, in a directory of its own for each.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let directory = env::args().nth(1).expect("a directory");
    for (name, seeds, _) in rgun_fuzz::targets::ALL {
        let place = Path::new(&directory).join(name);
        fs::create_dir_all(&place)?;
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(place.join(format!("seed-{number}")), seed)?;
        }
        println!("{name}");
    }
    Ok(())
}
