//! Plain tar archives (ustar), as far as an export needs them: regular files with short names.

use std::io::{self, Read, Write};

const BLOCK: usize = 512;
const NAME: usize = 100;

/// Adds a file.
pub(super) fn add(to: &mut impl Write, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = [0; BLOCK];
    if name.len() > NAME {
        return Err(io::Error::other(format!("{name} is too long a name for the archive")));
    }
    let size = format!("{:011o}\0", bytes.len());
    for (at, text) in [
        (0, name),
        (100, "0000644\0"),
        (108, "0000000\0"),
        (116, "0000000\0"),
        (124, size.as_str()),
        (136, "00000000000\0"),
        (148, "        "),
        (156, "0"),
        (257, "ustar\0"),
        (263, "00"),
    ] {
        header.iter_mut().skip(at).zip(text.bytes()).for_each(|(to, from)| *to = from);
    }
    let sum = format!("{:06o}\0 ", sum(&header));
    header.iter_mut().skip(148).zip(sum.bytes()).for_each(|(to, from)| *to = from);
    to.write_all(&header)?;
    to.write_all(bytes)?;
    let rest = bytes.len().next_multiple_of(BLOCK) - bytes.len();
    to.write_all(&vec![0; rest])
}

/// Ends the archive.
pub(super) fn end(to: &mut impl Write) -> io::Result<()> {
    to.write_all(&[0; 2 * BLOCK])
}

/// Shows each file of an archive, as it is read.
///
/// # Errors
/// When it is not one that [`add`] and [`end`] wrote.
pub(super) fn each(
    from: &mut impl Read,
    mut see: impl FnMut(&str, &mut dyn Read) -> io::Result<()>,
) -> io::Result<()> {
    loop {
        let mut header = [0; BLOCK];
        from.read_exact(&mut header)?;
        if header.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        let stated = octal(&header, 148, 7);
        header.iter_mut().skip(148).take(8).for_each(|byte| *byte = b' ');
        let regular = header.get(156) == Some(&b'0');
        let (name, size) = (text(&header, 0, NAME), octal(&header, 124, 12));
        let (Some(name), Some(size), true, true) =
            (name, size, regular, stated == Some(sum(&header)))
        else {
            return Err(io::Error::other("not a plain archive of regular files"));
        };
        let mut file = from.by_ref().take(size);
        see(&name, &mut file)?;
        io::copy(&mut file, &mut io::sink())?;
        if file.limit() > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let past = usize::try_from(size % BLOCK as u64).unwrap_or_default();
        let rest = (BLOCK - past) % BLOCK;
        from.read_exact([0; BLOCK].get_mut(..rest).unwrap_or_default())?;
    }
}

fn sum(header: &[u8; BLOCK]) -> u64 {
    header.iter().map(|byte| u64::from(*byte)).sum()
}

fn text(header: &[u8; BLOCK], at: usize, most: usize) -> Option<String> {
    let bytes = header.get(at..at + most)?.split(|byte| *byte == 0).next()?;
    String::from_utf8(bytes.to_vec()).ok()
}

fn octal(header: &[u8; BLOCK], at: usize, most: usize) -> Option<u64> {
    u64::from_str_radix(text(header, at, most)?.trim(), 8).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    fn archive() -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, content) in [("a", "one".repeat(300)), ("b/c", String::new())] {
            add(&mut bytes, name, content.as_bytes()).unwrap();
        }
        end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn files_come_out_as_they_went_in() {
        let mut seen = Vec::new();
        each(&mut archive().as_slice(), |name, content| {
            let mut bytes = Vec::new();
            seen.push((name.to_owned(), content.read_to_end(&mut bytes)?));
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, [("a".to_owned(), 900), ("b/c".to_owned(), 0)]);
        assert!(add(&mut Vec::new(), &"n".repeat(101), b"").is_err());
    }

    #[test]
    fn what_is_cut_or_changed_is_no_archive() {
        let whole = archive();
        for cut in [0, 100, 512, 600, 1535, 1536] {
            assert!(each(&mut &whole[..cut], |_, _| Ok(())).is_err(), "{cut}");
        }
        for at in [0, 124, 156] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(each(&mut changed.as_slice(), |_, _| Ok(())).is_err(), "{at}");
        }
    }
}
