//! What a PNG has to be before it is decoded: the decoder panics where this is broken.

/// What stands before the first chunk.
const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Bytes of a colour of a palette, and of the largest palette.
const COLOUR_BYTES: usize = 3;
const MOST_PALETTE_BYTES: usize = 256 * COLOUR_BYTES;

/// Whether palettes are of whole colours, 1 to 256 (PNG specification, third edition, section 11.2.2). Other files than PNG are none of its business.
///
/// # Errors
/// What is wrong, for a person.
pub(crate) fn check_palettes(file: &[u8]) -> Result<(), String> {
    let Some(mut chunks) = file.strip_prefix(SIGNATURE) else { return Ok(()) };
    while let Some((header, rest)) = chunks.split_first_chunk::<8>() {
        let [a, b, c, d, kind @ ..] = *header;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let is_whole = length > 0 && length <= MOST_PALETTE_BYTES && length.is_multiple_of(COLOUR_BYTES);
        if kind == *b"PLTE" && !is_whole {
            return Err(format!(
                "its palette has {length} bytes, where 1 to 256 colours have three each: save it again with another program"
            ));
        }
        // Behind the chunk is its checksum.
        chunks = length.checked_add(4).and_then(|end| rest.get(end..)).unwrap_or_default();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(chunks: &[(&[u8; 4], usize)]) -> Vec<u8> {
        let chunk = |&(kind, length): &(&[u8; 4], usize)| {
            [&(length as u32).to_be_bytes()[..], kind, &vec![0; length + 4]].concat()
        };
        chunks.iter().fold(SIGNATURE.to_vec(), |file, own| [file, chunk(own)].concat())
    }

    #[test]
    fn palettes_are_of_whole_colours_wherever_they_stand() {
        for (length, is_whole) in [(3, true), (51, true), (768, true), (0, false), (52, false), (771, false)]
        {
            for chunks in [[(b"IHDR", 13), (b"PLTE", length)], [(b"PLTE", length), (b"IDAT", 5)]] {
                let checked = check_palettes(&png(&chunks));
                assert_eq!(checked.is_ok(), is_whole, "{length}: {checked:?}");
            }
        }
    }

    #[test]
    fn what_is_cut_short_or_no_png_is_left_to_the_decoder() {
        let whole = png(&[(b"IHDR", 13), (b"PLTE", 6), (b"IDAT", 9)]);
        for end in 0..=whole.len() {
            assert_eq!(check_palettes(&whole[..end]), Ok(()));
        }
        let mut endless = png(&[(b"IHDR", 13)]);
        endless[8..12].copy_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(check_palettes(&endless), Ok(()));
        assert_eq!(check_palettes(b"\xff\xd8PLTE"), Ok(()));
    }
}
