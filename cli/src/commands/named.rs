//! Things of a list, named by their id, a piece of it or their name; and what is shown of such an id.

use uuid::Uuid;

use crate::error::{CliError, CliResult, Exit};

/// Characters of an id that are enough where a list is short.
const FRAGMENT_MIN: usize = 4;

/// The one that was named. `noun` is what a thing is called, `list` the command that shows all of them.
pub(super) fn find<'a, T>(
    items: &'a [T],
    typed: &str,
    (noun, list): (&str, &str),
    key: impl Fn(&T) -> (Uuid, Option<&str>),
) -> CliResult<&'a T> {
    let digits: String = typed.chars().filter(|c| *c != '-').collect();
    let digits = digits.to_ascii_lowercase();
    let is_fragment =
        digits.len() >= FRAGMENT_MIN && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let by_id = |item: &&T| {
        let id = key(item).0.simple().to_string();
        is_fragment && (id.starts_with(&digits) || id.ends_with(&digits))
    };
    let by_name =
        |item: &&T| key(item).1.is_some_and(|name| name.eq_ignore_ascii_case(typed.trim()));
    let mut found: Vec<&T> = items.iter().filter(by_name).collect();
    if found.is_empty() {
        found = items.iter().filter(by_id).collect();
    }
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(CliError::not_found(format!("There is no {noun} \"{typed}\".")).hint(list)),
        several => {
            let mut error = CliError::new(
                Exit::NotFound,
                "ambiguous",
                format!("\"{typed}\" fits {} of them. Give more of the id.", several.len()),
            );
            for item in several.iter().take(10) {
                let (id, name) = key(item);
                error = error.hint(format!("{id}  {}", name.unwrap_or_default()).trim_end());
            }
            Err(error)
        }
    }
}

/// The end of an id: the beginning is the time, and alike for all of one minute.
pub(super) fn short(id: Uuid) -> String {
    let digits = id.simple().to_string();
    digits[digits.len() - 8..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_pieces_and_names_name_things() {
        let id = |n: u128| Uuid::from_u128(0x0193_6b5e_7c0d_7b1e_9a55_2f6f_2a3f_0000 + n);
        let items = [(id(1), "Kestrel CI"), (id(2), "dead"), (id(3), "dead")];
        let named = |typed: &str| {
            find(&items, typed, ("webhook", "list"), |item| (item.0, Some(item.1)))
                .map(|item| item.0)
                .map_err(|error| error.exit)
        };
        assert_eq!(named("kestrel ci"), Ok(id(1)));
        assert_eq!(named(&id(2).to_string()), Ok(id(2)));
        assert_eq!(named(&short(id(3))), Ok(id(3)));
        assert_eq!(named("0003"), Ok(id(3)));
        for bad in ["01936b5e", "dead", "003", "", "nothing"] {
            assert_eq!(named(bad), Err(Exit::NotFound), "{bad}");
        }
    }
}
